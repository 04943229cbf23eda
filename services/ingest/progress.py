"""How far the store has come, when its answers come in any order. Pure."""


class Progress:
    """`seq`: everything up to it is stored; it stays below the first row that has no answer yet."""

    def __init__(self, seq: int = 0) -> None:
        self.seq = seq
        self._answered: dict[int, int] = {}

    def answer(self, after: int, last: int) -> None:
        """Rows after `after`, up to `last`, are stored; each row is part of one answer."""
        self._answered[after] = last
        while self.seq in self._answered:
            self.seq = self._answered.pop(self.seq)
