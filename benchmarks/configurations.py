"""Comparison of trained configurations: `python benchmarks/configurations.py CARD.json...` prints a table of cards.

`spikey train` writes a card beside each model. Bits and ratios are those of archives of the validation split, all bytes
included.
"""

from __future__ import annotations

import json
from pathlib import Path

import click


def row(card: dict) -> tuple[float, str]:  # type: ignore[type-arg]
    """Bits/sample of the range coder, and a row of the table."""
    results = {entry["coder"]: entry for entry in card["val"]}
    rice, best = results["rice"], results["range"]
    name = card["model"].rsplit("-", 1)[0]
    line = (
        f"| {name} | {card['config'].get('about', '')} | {card['multiply_adds_per_sample']:,} | "
        f"{rice['bits_per_sample']:.4f} | {best['bits_per_sample']:.4f} | {best['ratio']:.4f} |"
    )
    return best["bits_per_sample"], line


@click.command()
@click.argument("cards", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
def main(cards: tuple[Path, ...]) -> None:
    """Print a table of CARDS, the best first; all must have the same numbers of steps and samples."""
    data = [json.loads(card.read_text(encoding="utf-8")) for card in cards]
    budgets = {(card["config"]["training"]["steps"], card["config"]["training"]["batch"]) for card in data}
    if len(budgets) != 1:
        raise click.ClickException(f"the cards have different budgets (steps, batch): {sorted(budgets)}")
    ((steps, batch),) = budgets
    click.echo(f"{steps:,} steps of {batch:,} samples each.\n")
    click.echo(
        "| configuration | what it shows | multiply-adds/sample | rice, bits/sample | range, bits/sample | ratio |"
    )
    click.echo("|---|---|---|---|---|---|")
    for _, line in sorted(row(card) for card in data):
        click.echo(line)


if __name__ == "__main__":
    main()
