"""The script that checks prose finds each of the five habits, and leaves plain sentences alone."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def prose():
    path = ROOT / ".ci" / "prose.py"
    if not path.exists():
        pytest.skip("the script is not in this source distribution")
    spec = importlib.util.spec_from_file_location("prose", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('"""Of a chunk."""\n', [1]),
        ('"""What a chunk is."""\n', [1]),
        ('def f():\n    """With a thread for each."""\n', [2]),
        ('"""Return the shape.\n\nIt raises for a shape that is none.\n"""\n', [3]),
        ("x = 1  # so many chunks\n", [1]),
        ("# beside the others\nx = 1\n", [1]),
        ("# nobody looks at them\nx = 1\n", [1]),
        ("_FEW, _MANY = 1, 2\n", [1]),
        ("# The first for one, the second for many.\n_CHUNKS = (1, 2)\n", [1, 1]),
    ],
)
def test_habits_are_found(prose, text, lines):
    found = list(prose.check(Path("nqjax/x.py"), text))
    assert {finding.line for finding in found} == set(lines)


@pytest.mark.parametrize(
    "text",
    [
        '"""Shape of a chunk."""\n\n# Chunks this large fit into memory.\n_LARGEST = 3\n',
        '"""In a closed file, raise OSError."""\n',
        "a, b = 1, 2  # not constants\n",
        'text = "so many"\n',
        "def f():\n    # the first chunk is larger\n    x = 1\n    return x\n",
    ],
)
def test_plain_sentences_pass(prose, text):
    assert list(prose.check(Path("nqjax/x.py"), text)) == []


def test_markdown_without_its_code(prose):
    text = "plain\n```\nso many\n```\n`so many` and so many\n"
    assert [finding.line for finding in prose.check(Path("x.md"), text)] == [5]


def test_exit_status_and_counts(prose, tmp_path, capsys):
    (tmp_path / "a.py").write_text('"""Of a file."""\n')
    assert prose.main([str(tmp_path)]) == 1
    assert "1 findings in 1 files" in capsys.readouterr().out
    (tmp_path / "a.py").write_text('"""Return a file."""\n')
    assert prose.main([str(tmp_path)]) == 0
