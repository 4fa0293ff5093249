"""An answer that is given while it is made: sentence by sentence, each as soon as it is certain.

What was said stands: a sentence is said once it is grounded, its markers depend on nothing that comes later,
and the answer's text begins with all that was said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmrag.types import Said

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmrag.ports import Grounder, SaidListener
    from mmrag.types import Answer, Claim, Prompt


class Saying:
    """Says the sentences of one answer, each once, to whoever asked for it."""

    def __init__(self, answer_id: str, listener: SaidListener) -> None:
        self.answer_id = answer_id
        self._listener = listener
        self._sentences = 0
        self._text = ""

    def last_of(self, claims: Sequence[Claim], grounder: Grounder, prompt: Prompt) -> None:
        """Say the last of these grounded claims; those before it were said."""
        text, citations = grounder.cite(claims, prompt)
        new = text.removeprefix(f"{self._text} ") if self._text else text
        cited = tuple(citation for citation in citations if f"[{citation.marker}]" in new)
        self._text = text
        self._sentences += 1
        self._listener(Said(self.answer_id, new, cited))

    def rest_of(self, answer: Answer) -> None:
        """Say what has not been said of an answer that is whole."""
        for sentence in answer.sentences[self._sentences :]:
            self._listener(sentence)
