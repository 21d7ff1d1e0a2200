"""Train the embedded model from nothing, write its GGUF and measure it.

Run it as `python tools/embedded_model/retrain.py --minutes 40 --out build/embedded`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from check_model import check, draw_cases, serving
from tiny_agreement import measure_agreement
from tiny_client import Client
from tiny_draw import seeded
from tiny_export import MODEL_NAME, export
from tiny_train import Training, train

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tiny_model import Trained

_AGREEMENT_CASES: Final = 60
_AGREEMENT_SEED: Final = 4242


def main(argv: Sequence[str] | None = None) -> int:
    """Train, export and check; return the exit status."""
    arguments = _parse(argv)
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    training = Training(
        minutes=arguments.minutes,
        seed=arguments.seed,
        is_split=arguments.hold_out,
        threads=arguments.threads,
    )
    trained = train(training, _say)
    trained.save(out / "model.pt")
    gguf = out / f"{MODEL_NAME}-{arguments.precision}.gguf"
    export(trained, gguf, arguments.precision)
    _say(f"wrote {gguf} ({gguf.stat().st_size / 1e6:.2f} MB)")
    is_faithful = _check(trained, gguf, arguments.prompts)
    return 0 if is_faithful else 1


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Train the embedded model from nothing and export it."
    )
    parser.add_argument("--minutes", type=float, default=40.0, help="of training")
    parser.add_argument("--out", type=Path, default=Path("build/embedded"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=("q8_0", "f16"), default="q8_0")
    parser.add_argument(
        "--prompts", type=int, default=800, help="of each accuracy in the check"
    )
    parser.add_argument(
        "--hold-out",
        action="store_true",
        help="keep every sixth wording, tool word and name out of training, and "
        "measure on them too; not for a model that is to be shipped",
    )
    return parser.parse_args(argv)


def _check(trained: Trained, gguf: Path, prompts: int) -> bool:
    """Write check.txt beside the model; return whether engine and PyTorch agree."""
    with serving(gguf) as server:
        cases = draw_cases(seeded(_AGREEMENT_SEED), _AGREEMENT_CASES)
        agreement = measure_agreement(Client(server.url), trained, cases)
    lines = [
        (
            f"PyTorch and llama.cpp agree on {agreement.prompts} prompts, "
            f"{agreement.tokens} token lists and {agreement.answers} greedy answers "
            f"of {agreement.cases}"
        )
    ]
    _say(lines[0])
    for line in check(gguf, prompts, has_held_out=trained.is_split):
        _say(line)
        lines.append(line)
    text = "\n".join(lines) + "\n"
    (gguf.parent / "check.txt").write_text(text, encoding="utf-8")
    return agreement.is_faithful


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
