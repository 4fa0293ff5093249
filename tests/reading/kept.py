"""A reader that reads the same bytes once: what models add to a reading is tried on the same few pictures."""

from __future__ import annotations


class KeptReadings:
    """Reads by another reader and remembers in `readings`. Implements `ports.Reader`."""

    def __init__(self, reader, readings):
        self._reader = reader
        self._readings = readings

    def read(self, data, *, name, progress=None):
        if data not in self._readings:
            self._readings[data] = self._reader.read(data, name=name, progress=progress)
        return self._readings[data]

    def pixel_digest(self, data):
        return self._reader.pixel_digest(data)

    def draw_page(self, data, *, number, quote):
        return self._reader.draw_page(data, number=number, quote=quote)

    def close(self):
        """The reader is everybody's."""
