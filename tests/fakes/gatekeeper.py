"""A gatekeeper whose tickets are words, and whose accounts a test changes while sessions are open."""

from collections.abc import Collection, Mapping

from services.realtime.admission import Guest, Offer
from services.realtime.errors import Denied, ReviewUnavailable


class FakeGatekeeper:
    """`guests`: who a word stands for, for each purpose; a word in `forbidden` opens something else."""

    asks = True

    def __init__(self, **guests: Guest) -> None:
        self.guests: dict[str, Guest | None] = dict(guests)
        self.forbidden: set[str] = set()
        self.asked: list[Offer] = []
        self.away = False
        self.reviews = 0

    async def admit(self, offer: Offer) -> Guest:
        self.asked.append(offer)
        guest = self.guests.get(offer.text)
        if offer.text in self.forbidden:
            raise Denied(4403, "this ticket opens something else")
        if guest is None:
            raise Denied(4401, "this ticket opens nothing")
        return guest

    async def review(self, guests: Collection[Guest]) -> Mapping[Guest, Guest | None]:
        self.reviews += 1
        if self.away:
            raise ReviewUnavailable("the database is away")
        known = {guest.user_id: guest for guest in self.guests.values() if guest is not None}
        return {guest: known.get(guest.user_id) for guest in guests}
