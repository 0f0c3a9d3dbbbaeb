"""The latent space of columns: shared by the curator, which maps rows, and the transport, which maps them back."""
