"""An option of one name has one meaning in every command, whatever the command."""

import collections

import pytest

from nqjax import cli

#: Options whose meaning differs between commands, and why.
EXCEPTIONS = {
    "--metric": "nqjax landscape and similarity take several columns: runs of one configuration, or landscapes",
    "--at": "nqjax plan has a number of trials, where nqjax similarity has epochs of learning curves",
    "--method": "each command has its own methods: samplers, bands, regions and intervals",
    "--cost": "nqjax analyze has the column of costs, nqjax compare what a trial costs; nqjax replay compares at these",
    "--sigma": "nqjax noise compares with the sigma of a fit, where others constrain that of the fit",
    "--trials": "nqjax search and ablation run this many, where others give the curve at these numbers",
    "--out": "nqjax fit-many cannot do without it; nqjax search can, with --list",
}

#: Options that mean the same, with a default of the command's own, and why.
DEFAULTS = {
    "--threshold": "a threshold is chosen from a whole search, which nqjax noise does not have",
    "--trials": "nqjax fit-many has the same columns for all files, whatever their sizes",
    "--batch": "nqjax search trains a batch side by side; nqjax worth has many searches for that",
    "--replications": "nqjax worth may train models, where the searches of nqjax replay take seconds",
    "--methods": "nqjax worth has methods that choose configurations, nqjax replay those that stop trials",
    "--seed": "nqjax ablation starts at 1, so that it does not repeat the trials of a search with the seed 0",
}

_, COMMANDS = cli._parsers()


def meanings():
    """Return the actions of each option, by its name: (command, action)."""
    found = collections.defaultdict(list)
    for command, parser in COMMANDS.choices.items():
        for action in parser._actions:
            for name in action.option_strings:
                found[name].append((command, action))
    return found


@pytest.mark.parametrize("name", sorted(name for name, actions in meanings().items() if len(actions) > 1))
def test_an_option_means_the_same_in_every_command(name):
    actions = [action for _, action in meanings()[name]]
    if name not in EXCEPTIONS:
        assert len({(type(one), one.type, one.nargs, one.const, one.dest) for one in actions}) == 1
        assert len({(tuple(one.choices or ()), one.metavar, one.required) for one in actions}) == 1
        assert len({tuple(one.option_strings) for one in actions}) == 1
    if name not in {**EXCEPTIONS, **DEFAULTS}:
        assert len({str(one.default) for one in actions}) == 1


def test_exceptions_are_exceptions():
    """Each is needed: no name stays in the lists after its reason is gone."""
    for name in {**EXCEPTIONS, **DEFAULTS}:
        actions = [action for _, action in meanings()[name]]
        found = {(one.type, one.nargs, tuple(one.choices or ()), one.required, str(one.default)) for one in actions}
        assert len(found) > 1, name


@pytest.mark.parametrize("command", sorted(set(COMMANDS.choices) - {"demo"}))
def test_every_command_prints_json(command):
    """All except the demonstration, which has no options."""
    assert "--json" in [name for action in COMMANDS.choices[command]._actions for name in action.option_strings]


def test_directions_have_both_spellings_wherever_there_is_one():
    found = {name: {command for command, _ in actions} for name, actions in meanings().items()}
    assert found["--minimize"] == found["--minimise"] == found["--maximize"] == found["--maximise"]
    assert len(found["--minimize"]) == 16


@pytest.mark.parametrize("text", ["none", "NONE", "Auto", "auto", " 0.5"])
def test_thresholds_are_read_in_one_way(text):
    for _, action in meanings()["--threshold"]:
        assert action.type(text) == {"none": None, "auto": "auto", "0.5": 0.5}[text.strip().lower()]
