"""Both ends of a stream with valid and ready, for cocotb benches that follow the clock's edges."""

from __future__ import annotations

from collections import deque


class Source:
    """Drives one stream; a word offered stays until it is taken."""

    def __init__(self, dut, name: str) -> None:
        self.name, self.words = name, deque()
        self.valid, self.ready = getattr(dut, f"{name}__valid"), getattr(dut, f"{name}__ready")
        self.payload = getattr(dut, f"{name}__payload")
        self.offered, self.moved = False, 0
        self.valid.value = 0

    def clock(self, offer: bool) -> None:
        if self.offered and self.ready.value == 1:
            self.words.popleft()
            self.moved += 1
            self.offered = False
        if not self.offered and self.words and offer:
            self.payload.value = self.words[0]
            self.offered = True
            self.valid.value = 1
        elif not self.offered:
            self.valid.value = 0


class Sink:
    """Takes one stream and compares it; an offered word must stay until it is taken.

    Expected are words, or pairs of a word and the mask of the bits that count.
    """

    def __init__(self, dut, name: str) -> None:
        self.name, self.expected = name, deque()
        self.valid, self.ready = getattr(dut, f"{name}__valid"), getattr(dut, f"{name}__ready")
        self.payload = getattr(dut, f"{name}__payload")
        self.taking, self.held, self.moved = False, None, 0
        self.ready.value = 0

    def clock(self, take: bool) -> None:
        if self.valid.value == 1:
            word = int(self.payload.value)
            assert self.held in (None, word), f"{self.name}: an offered word changed"
            self.held = word
            if self.taking:
                assert self.expected, f"{self.name}: a word too many"
                want = self.expected.popleft()
                want, mask = (want, -1) if isinstance(want, int) else want
                assert word & mask == want, f"{self.name}: {word & mask:#x}, not {want:#x}"
                self.held, self.moved = None, self.moved + 1
        else:
            assert self.held is None, f"{self.name}: an offered word vanished"
        self.taking = take
        self.ready.value = int(take)
