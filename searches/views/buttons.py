"""The buttons of a search's page, each with the words of what it will do.

In which states a button is offered stands in the one table, services.VERBS; the page (static/js/controls.js) shows
and hides them as the state changes. What is rarely wanted stands in the menu "More".
"""

from dataclasses import dataclass

from searches.models import ENGINE_VERSION
from searches.services import VERBS

EVERYWHERE = frozenset({"waiting", "running", "paused", "stopped", "finished", "failed"})


@dataclass(frozen=True)
class Button:
    """One verb. `ask` is the question before it is done, with `yes` for the answer; without it is done at once.

    `needs`: what must be there beside the state, by its name in controls.js. `within`: of the verb's states those
    in which this button stands here. `ask_over`, `words_over`: where the final model is there already.
    """

    verb: str
    label: str
    icon: str
    words: str
    ask: str = ""
    yes: str = ""
    ask_over: str = ""
    words_over: str = ""
    is_primary: bool = False
    is_danger: bool = False
    needs: str = ""
    within: frozenset[str] = EVERYWHERE

    @property
    def address(self) -> str:
        """The name of its address."""
        return f"search_{self.verb}"

    @property
    def states(self) -> str:
        """The states in which it is offered, as the page reads them."""
        return " ".join(state for state in VERBS[self.verb] if state in self.within)


RETRY_WORDS = (
    "Trainings of the open step that failed, diverged or were too big, and comparisons that were stopped, wait for a "
    "worker again. What has been decided stays."
)
ROW = (
    Button(
        "go_on", "Go on", "play",
        f"What is open is trained with engine version {ENGINE_VERSION} from now on, with any number of threads, on "
        "any numeric path. Results from there on are no longer those that the search would have found as it began; "
        "its page, its report and the model card say so. What is decided stays as it is; what was interrupted goes "
        "on from its checkpoint.",
        ask=f"Go on with engine version {ENGINE_VERSION}?", yes="Go on", is_primary=True, needs="use",
    ),
    Button(
        "pause", "Pause", "pause",
        "What trains now stops within seconds. Its last checkpoint is kept, at most one epoch is trained again. "
        "Resume goes on from there.",
        ask="Pause this search?", yes="Pause",
    ),
    Button("resume", "Resume", "play", "It goes on from the last checkpoints.", is_primary=True),
    Button(
        "stop", "Stop", "stop",
        "What trains now ends at once and nothing more is trained: there will be no final model and no test error. "
        "What was trained so far stays, and the best network of it can be downloaded. To go on soon, pause instead; "
        "a stopped search can be extended later.",
        ask="Stop this search for good?", yes="Stop for good", is_danger=True,
        ask_over="Stop comparing?",
        words_over="The comparisons that train or wait now end at once. The final model, its test error and what was "
        "compared so far stay.",
    ),
    Button(
        "retry", "Retry", "again", RETRY_WORDS, ask="Retry what did not end well?", yes="Retry", is_primary=True,
        needs="failed", within=frozenset({"failed"}),
    ),
)  # fmt: skip
MENU = (
    Button(
        "run_next", "Run next", "up", "The next worker that is free takes this search, before all others.",
    ),
    Button(
        "finish_now", "Finish now", "flag",
        "What trains in the open step ends. The best network so far, model_0 before a child is done, gets the final "
        "training and the one look at the test set.",
        ask="Finish this search now?", yes="Finish now", needs="survivor",
    ),
    Button(
        "retry", "Retry", "again", RETRY_WORDS, ask="Retry what did not end well?", yes="Retry", needs="failed",
        within=EVERYWHERE - {"failed"},
    ),
)  # fmt: skip
DELETE = Button(
    "delete", "Delete", "trash",
    "It leaves the list at once, and what trains now ends. Undo brings it back until its files are swept; the list "
    "says when that is.",
    ask="Delete this search?", yes="Delete", is_danger=True,
)  # fmt: skip


def states_of(verb: str) -> str:
    """The states in which the page offers a verb that has a form of its own."""
    return " ".join(VERBS[verb])


BUTTONS = {
    "row": ROW,
    "menu": MENU,
    "delete": DELETE,
    "extend": states_of("extend"),
    "compare": states_of("compare"),
}
"""What templates/searches/_controls.html reads."""
