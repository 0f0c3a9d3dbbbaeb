"""The privacy statement as one page in plain words, for those who decide."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from skdpflow._html import folded, heading, items, meter, paragraph, section, table
from skdpflow.release import sentences as texts
from skdpflow.release.federated import in_words

__all__ = ["board_page", "guess_limit"]

Content = Mapping[str, Any]

#: Epsilons beside which a guarantee is shown.
_SCALE = (0.1, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
_NAMES = 12

_SECRETS = {
    "add-remove": "whether one particular row was in the table",
    "replace-one": "which of two contents one particular row of the table had",
}
#: Kinds of columns that are not read, and what is said of them.
_UNREAD = {
    "constant": "{} had one public value in every row. No cell of it was read.",
    "key": "{} was not read. Its synthetic values are numbered anew, and belong to nobody.",
}
#: What technical assumptions mean.
_PLAIN = {
    texts.ONE_ROW_EACH: "One person has at most one row.",
    texts.ENTROPY: "Nobody can predict the random numbers of the computer, or read the memory of the program.",
}
_ROW = (
    "The promise protects one row of the table. If a person has several rows, that person is protected less: with two "
    "rows about as if epsilon were twice as large, with three rows three times, and somewhat worse for delta."
)
_KEEP = (
    (
        "Whoever holds the private rows",
        "keeps the rows as secret as before, since nothing here makes them public, and keeps beside them the record of "
        "what was spent on them. Each further use of the same rows weakens the promise. The record adds that up.",
    ),
    (
        "Anybody",
        "may have the synthetic rows, the saved model, the released measurements and this statement. They protect each "
        "row equally well however often they are copied, and whatever else somebody knows.",
    ),
    (
        "The auditor",
        "gets the released measurements and the JSON of this statement, and recomputes the numbers from them.",
    ),
)
_NOT = (
    "What is true of people in general. If the data show that smokers fall ill more often, this is learnt about every "
    "smoker, also about those who are not in the table.",
    "Anything else that was done with the rows: other releases that the same record does not hold, reports, pictures, "
    "and comparisons of synthetic rows with the rows themselves.",
    "Choices that somebody made by looking at the rows, such as the smallest and largest value of a column.",
    "Who can read the rows themselves, and whether it was right to collect them.",
    "Whether the synthetic rows are good enough for a purpose. The quality report is about that.",
)


def guess_limit(epsilon: float, delta: float) -> float:
    """Return the largest chance with which a guess between two equally likely cases is right."""
    odds = 1.0 / (1.0 + math.exp(-epsilon))
    return min(odds + delta, 1.0)


def board_page(content: Content) -> str:
    """Return the body of the page."""
    guarantee = content["guarantee"]
    parts = [heading("What the synthetic data tell about a single person"), *map(paragraph, _about(content))]
    if not guarantee["private"]:
        parts.append(
            paragraph(
                "There is no promise: the noise came from a known seed, as for a test. Treat everything that was "
                "released as if it were the rows themselves.",
                "notice",
            )
        )
        return "".join(parts)
    epsilon, delta, neighbours = guarantee["epsilon"], guarantee["delta"], guarantee["neighbours"]
    parts.append(section("The promise", *_promise(epsilon, delta, neighbours)))
    parts.append(section("What is protected", paragraph(_ROW)))
    for step in content["steps"]:
        if step["federation"] is not None:
            parts.append(section("Several holders of rows", items(in_words(step["federation"], epsilon, neighbours))))
    parts.append(section("Who keeps what", table(("who", "what"), _KEEP), paragraph(_recorded(content))))
    parts.append(section("What the promise does not cover", items(_NOT)))
    parts.append(
        section(
            "What the promise rests on",
            paragraph("Whoever ran the program answers for these points. The program cannot check them."),
            items(_rests_on(content)),
        )
    )
    outside = [mismatch["text"] for step in content["steps"] for mismatch in step["rows"]["outside"]]
    if outside:
        parts.append(section("Rows that do not fit what was declared", items(outside)))
    parts.append(section("In the words of experts", paragraph(_for_experts(content), "note")))
    return "".join(parts)


def _about(content: Content) -> list[str]:
    """Say what was measured, and which columns were not even read."""
    rows = content["steps"][0]["rows"]  # later steps see what earlier ones made of the table
    columns = rows["domain"]["columns"]
    measured = [str(column["name"]) for column in columns if column["kind"] not in _UNREAD]
    if rows["target"] is not None:
        measured.append(rows["schema"]["target_name"] or "the target")
    lines = [
        f"A program measured a table of private rows ({_listed(measured)}) and added random noise to each measurement. "
        "The synthetic rows were made from these noisy measurements alone. No private row was copied."
    ]
    for kind, words in _UNREAD.items():
        if names := [str(column["name"]) for column in columns if column["kind"] == kind]:
            lines.append(words.format(f"{'Column' if len(names) == 1 else 'Columns'} {_listed(names)}"))
    return lines


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMES]) + (f" and {len(names) - _NAMES} more" if len(names) > _NAMES else "")


def _rests_on(content: Content) -> list[str]:
    """Say the assumptions of a statement in plain words; what has no such words stays as it is."""
    out = [_PLAIN[texts.ONE_ROW_EACH]]
    for step in content["steps"]:
        rows = step["rows"]
        if rows["domain_is"] == "declared":
            found = rows["levels_found_privately"]
            but = f" Only the values of {_listed(found)} were found from the rows, with noise." if found else ""
            out.append(
                "Names and types of the columns, and the values that each may have, were declared without a look at "
                f"the rows.{but}"
            )
        elif rows["domain_is"] == "found privately":
            out.append(
                "Names and types of the columns were declared. Their smallest and largest values were found from the "
                "rows, with noise."
            )
        target = rows["target"]
        if target is not None and target["kind"] == "categories" and rows["target_is"] == "declared":
            values = _listed([str(value) for value in target["categories"]])
            out.append(f"The classes were declared, and not learnt from the rows: {values}.")
        facts = rows["domain"].get("constraints", ())
        out += [f"Somebody said that this holds in every row: {fact}" for fact in facts]
    for text in content["assumptions"]:
        if text in _PLAIN:
            out.append(_PLAIN[text])
        elif not text.startswith(texts.OF_COLUMNS):
            out.append(text)
    return list(dict.fromkeys(out))


def _promise(epsilon: float, delta: float, neighbours: str) -> list[str]:
    hundred, of_failure = percentage(guess_limit(epsilon, delta)), one_in(delta)
    parts = [
        paragraph(
            f"Somebody wants to find out {_SECRETS[neighbours]}. This person sees everything that was released, knows "
            "all other rows of the table, and may compute without limit. Without the release, a coin toss is right 50 "
            f"times in 100. With it, the best guess is right at most {hundred} times in 100.",
            "large",
        ),
        meter(0.5, "without the release: 50 times in 100"),
        meter(guess_limit(epsilon, delta), f"with the release: at most {hundred} times in 100"),
        paragraph(
            f"The promise is made of two numbers. Epsilon = {epsilon:g} limits how much the release can change the "
            f"odds of any guess about one row: at most by a factor of {_factor(epsilon)}. Delta = "
            f"{_plain_number(delta)} is a small chance ({of_failure}) that is allowed on top of this limit. It is "
            "counted in the number above."
        ),
    ]
    if guess_limit(epsilon, delta) > 0.99:
        parts.append(
            paragraph("This limit is weak: by itself it does not rule out that such a guess is almost always right.")
        )
    scale = sorted({*_SCALE, epsilon})
    of_scale = [(f"{e:g}", percentage(guess_limit(e, delta))) for e in scale]
    head = ("epsilon", "a guess is right at most so many times in 100")
    return [*parts, folded("Other values of epsilon", table(head, of_scale, [e == epsilon for e in scale]))]


def _plain_number(number: float) -> str:
    """Write a small number without an exponent, where it is not too small for that."""
    return f"{number:.12f}".rstrip("0") if 1e-9 < number < 1.0 else f"{number:g}"


def _factor(epsilon: float) -> str:
    """Write the factor of the odds, rounded up."""
    if epsilon > 20.0:
        return "more than a hundred million"
    factor = math.exp(epsilon)
    return f"{math.ceil(factor * 100.0) / 100.0:.2f}" if factor < 100.0 else f"{math.ceil(factor):,}"


def percentage(share: float) -> str:
    """Write a share in hundredths, rounded up: the limit that is shown is not below the one that holds."""
    digits = 1 if share < 0.99 else 3
    scale = 10.0**digits
    return f"{min(math.ceil(share * 100.0 * scale - 1e-9) / scale, 100.0):.{digits}f}"


def one_in(delta: float) -> str:
    """Write a small chance."""
    return f"about 1 in {1.0 / delta:,.0f}"


def _recorded(content: Content) -> str:
    heads = sorted({step["ledger"] for step in content["steps"] if step["ledger"] is not None})
    if any((step["federation"] or {}).get("heads") for step in content["steps"]):
        return "This release is recorded in a ledger at each site, which keeps what was spent on its own rows."
    if heads:
        return f"This release is recorded in a ledger, under {', '.join(heads)}."
    return (
        "This release is recorded in no ledger. Somebody has to keep by hand what was spent on these rows, and add up "
        "everything that is ever released from them."
    )


def _for_experts(content: Content) -> str:
    guarantee = content["guarantee"]
    return (
        f"({guarantee['epsilon']:g}, {guarantee['delta']:g})-differential privacy. {guarantee['neighbouring_tables']} "
        f"{guarantee['definition']} {guarantee['trust']}"
    )
