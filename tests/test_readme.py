"""The README's code runs and prints what the README shows."""

import re
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def squeezed(text):
    """Lines with single spaces, without the date and the time in the left half of a summary."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return [re.sub(r"^(Date: .*?20\d\d|Time: [\d:]+) ?", "", line) for line in lines]


def test_code_prints_what_is_shown(capsys):
    text = README.read_text(encoding="utf-8")
    namespace = {}
    for code in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(code, namespace)
    printed = squeezed(capsys.readouterr().out)
    shown = squeezed("\n".join(re.findall(r"```text\n(.*?)```", text, flags=re.DOTALL)))
    assert shown
    assert [line for line in shown if line not in printed] == []
