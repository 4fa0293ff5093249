"""A chat that keeps everything that happens in it, in order."""

from __future__ import annotations

from bots.conversation import Thread


class RecordedChat:
    """Files are bytes or the error that their download ends in; `broken` posts raise once each."""

    def __init__(self, *, files=None, thread=None, broken=()):
        self.files = files or {}
        self.thread = thread or Thread()
        self.events = []  # (what, value)
        self._broken = list(broken)

    async def earlier(self, thread, *, turns, files):
        self.events.append(("looked at", thread))
        return Thread(self.thread.turns[-turns:], self.thread.files[-files:])

    async def download(self, file):
        content = self.files[file.key]
        if isinstance(content, Exception):
            raise content
        return content

    async def show_status(self, text):
        self._record("status", text)

    async def show_said(self, said, question):
        del question
        self._record("said", " ".join(sentence.text for sentence in said))

    async def post_answer(self, answer, question):
        del question
        self._record("answer", answer)

    async def post_notice(self, notice):
        self._record("notice", notice)

    async def ask_for_correction(self, answer_id):
        self._record("asked for correction", answer_id)

    async def ask_for_approval(self, proposal):
        self._record("asked for approval", proposal)

    def _record(self, what, value):
        if what in self._broken:
            self._broken.remove(what)
            raise ConnectionError("the platform is away: secret words")
        self.events.append((what, value))

    @property
    def endings(self):
        return [event for event in self.events if event[0] not in ("status", "looked at", "said")]

    @property
    def statuses(self):
        return [value for what, value in self.events if what == "status"]
