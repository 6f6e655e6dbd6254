"""The sum of many vectors of which nobody sees a single one.

After Bonawitz et al. (2017), on the sparse graph of Bell et al. (2020): every member hides its vector under one mask it
shares with each neighbour, which cancel in the sum, and one of its own. Shares of both secrets lie with the neighbours,
so that members may drop out in any phase. Every message is bound to its round, every key is signed.
A neighbour answers for each member once: with the share of its own mask where it lives, of its pairwise masks where
not. Both are never given, and as the threshold is above two thirds of the neighbours, two groups of them cannot be told
different things either, unless a third of them is in league with the server.

    announce ──► keys ──► shares ──► masked ──► unmask ──► sum

Letters in shapes: D parameters.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property

import numpy as np
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ..errors import ResayError
from . import shamir

KEY = 32  # bytes of every key, seed and public key
SMALLEST_COHORT = 3


class Refused(ResayError):
    """A message is not what an honest partner would have sent, or too few members are left: nothing leaves."""


@dataclass(frozen=True)
class Round:
    """What all members of a round agree on. A message of another round, or with one field changed, fits nowhere."""

    run: str
    """Whose training this is; a new one for every start from nothing."""
    number: int
    members: tuple[int, ...]
    """Those who were invited, rising."""
    parameters: int
    """Length of every vector."""
    least: int
    """Fewest members in a sum: with fewer the noise would be too small."""
    degree: int = 40
    """Neighbours of each member; a cohort that is smaller is a complete graph."""
    context: str = ""
    """Anything else that members have to agree on, such as the digest of what they start from."""

    def __post_init__(self) -> None:
        if list(self.members) != sorted(set(self.members)):
            raise Refused("the members of a round must be different, in rising order")
        if not SMALLEST_COHORT <= self.least <= len(self.members):
            raise Refused(f"a sum of {self.least} out of {len(self.members)} hides nobody")
        if self.degree < SMALLEST_COHORT - 1 or self.parameters < 1:
            raise Refused("too few neighbours, or nothing to add up")

    @cached_property
    def id(self) -> bytes:
        """Digest of everything above, 32 bytes."""
        return identity_of(self.to_json())

    def to_json(self) -> str:
        return json.dumps({**asdict(self), "members": list(self.members)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Round:
        """Raises Refused for anything but a round."""
        try:
            data = json.loads(text)
            return cls(**{**data, "members": tuple(data["members"])})
        except (KeyError, TypeError, ValueError) as error:
            raise Refused(f"no announcement of a round ({error})") from None

    @cached_property
    def _ring(self) -> tuple[int, ...]:
        # An order that follows from the round: no member chooses whom it sits beside.
        return tuple(sorted(self.members, key=lambda member: hashlib.sha256(self.id + _number(member)).digest()))

    @cached_property
    def _place(self) -> dict[int, int]:
        return {member: place for place, member in enumerate(self._ring)}

    def neighbours(self, member: int) -> tuple[int, ...]:
        """Who shares masks with a member: the nearest on both sides of the ring."""
        count, place = len(self._ring), self._place[member]
        reach = min(self.degree, count - 1)
        if reach == count - 1:
            return tuple(other for other in self.members if other != member)
        half = (reach + 1) // 2
        steps = [*range(1, half + 1), *range(-half, 0)]
        return tuple(sorted(self._ring[(place + step) % count] for step in steps))

    @cached_property
    def threshold(self) -> int:
        """Shares that give a secret back: more than two thirds of the neighbours."""
        return len(self.neighbours(self.members[0])) * 2 // 3 + 1

    def number_of(self, member: int) -> int:
        """A member's number as a holder of shares, from 1."""
        return self._place[member] + 1


def _number(member: int) -> bytes:
    return member.to_bytes(16, signed=True)


def _derived(shared: bytes, purpose: bytes, round_id: bytes) -> bytes:
    return HKDF(hashes.SHA256(), KEY, salt=round_id, info=purpose).derive(shared)


def _mask(seed: bytes, count: int) -> np.ndarray:
    """uint32 (D,): the ChaCha20 key stream of a seed that is used for nothing else."""
    stream = Cipher(algorithms.ChaCha20(seed, bytes(16)), mode=None).encryptor().update(bytes(4 * count))
    return np.frombuffer(stream, dtype="<u4")


def _pair(one: int, other: int) -> bytes:
    return _number(min(one, other)) + _number(max(one, other))


def _pairwise(own: X25519PrivateKey, theirs: bytes, round_: Round, one: int, other: int) -> bytes:
    shared = own.exchange(X25519PublicKey.from_public_bytes(theirs))
    return _derived(shared, b"mask" + _pair(one, other), round_.id)


def identity_of(announcement: str) -> bytes:
    """The digest by which a round that was announced so is known, 32 bytes."""
    return hashlib.sha256(b"resay secure sum 1" + announcement.encode()).digest()


@dataclass(frozen=True)
class Keys:
    """A member's public keys for one round, signed with its lasting key."""

    sealing: bytes
    """X25519: for the shares that neighbours send each other."""
    masking: bytes
    """X25519: for the masks."""
    signature: bytes

    @staticmethod
    def signed_text(round_: Round, member: int, sealing: bytes, masking: bytes) -> bytes:
        return b"resay round keys" + round_.id + _number(member) + sealing + masking

    def check(self, round_: Round, member: int, identity: bytes) -> None:
        """Raises Refused unless the member with this lasting public key has signed them for this round."""
        text = self.signed_text(round_, member, self.sealing, self.masking)
        try:
            Ed25519PublicKey.from_public_bytes(identity).verify(self.signature, text)
        except (InvalidSignature, ValueError):
            raise Refused(f"the keys of member {member} are not signed by it for this round") from None


class Member:
    """A client's half. Each phase is asked once, in order; a second time is refused."""

    def __init__(self, round_: Round, member: int, identity: Ed25519PrivateKey) -> None:
        if member not in round_.members:
            raise Refused(f"member {member} is not invited to this round")
        self.round, self.member, self._identity = round_, member, identity
        self._neighbours = frozenset(round_.neighbours(member))
        self._sealing, self._masking = X25519PrivateKey.generate(), X25519PrivateKey.generate()
        self._seed = secrets.token_bytes(KEY)
        self._keys: dict[int, Keys] = {}
        self._held: dict[int, tuple[bytes, bytes]] = {}
        self._phase = "keys"

    def to_bytes(self) -> bytes:
        """Everything that the next phase needs: a client may be another process by then. It holds secret keys."""
        keys = {member: [part.hex() for part in vars(key).values()] for member, key in self._keys.items()}
        held = {member: [part.hex() for part in parts] for member, parts in self._held.items()}
        private = [key.private_bytes_raw().hex() for key in (self._sealing, self._masking)]
        state = {"phase": self._phase, "private": private, "seed": self._seed.hex(), "keys": keys, "held": held}
        return json.dumps(state).encode()

    @classmethod
    def from_bytes(cls, content: bytes, round_: Round, member: int, identity: Ed25519PrivateKey) -> Member:
        """The member that `to_bytes` left."""
        state, found = json.loads(content), cls(round_, member, identity)
        sealing, masking = (bytes.fromhex(part) for part in state["private"])
        found._sealing = X25519PrivateKey.from_private_bytes(sealing)
        found._masking = X25519PrivateKey.from_private_bytes(masking)
        found._seed, found._phase = bytes.fromhex(state["seed"]), state["phase"]
        found._keys = {int(other): Keys(*map(bytes.fromhex, parts)) for other, parts in state["keys"].items()}
        for other, (own, pairwise) in state["held"].items():
            found._held[int(other)] = bytes.fromhex(own), bytes.fromhex(pairwise)
        return found

    def _enter(self, phase: str, following: str) -> None:
        if self._phase != phase:
            raise Refused(f"{phase} was asked out of turn, or twice")
        # Before anything is computed: what fails half-way cannot be asked again either.
        self._phase = following

    def keys(self) -> Keys:
        """Phase 1: public keys for this round."""
        self._enter("keys", "shares")
        sealing, masking = (key.public_key().public_bytes_raw() for key in (self._sealing, self._masking))
        signature = self._identity.sign(Keys.signed_text(self.round, self.member, sealing, masking))
        return Keys(sealing, masking, signature)

    def shares(self, keys: Mapping[int, Keys], roster: Mapping[int, bytes]) -> dict[int, bytes]:
        """Phase 2: for each neighbour that sent keys, its shares of both secrets, sealed for it alone.

        `roster` holds the lasting public keys that this client knows. Raises Refused for a key that is not signed, a
        stranger, or too few neighbours.
        """
        self._enter("shares", "masked")
        for other, theirs in keys.items():
            if other not in self._neighbours or other not in roster:
                raise Refused(f"{other} is no neighbour that is known here")
            theirs.check(self.round, other, roster[other])
        if len(keys) < self.round.threshold:
            raise Refused(f"only {len(keys)} neighbours are left; {self.round.threshold} are needed")
        self._keys = dict(keys)
        holders = {self.round.number_of(other): other for other in keys}
        seed = shamir.split(self._seed, list(holders), self.round.threshold)
        masking = shamir.split(self._masking.private_bytes_raw(), list(holders), self.round.threshold)
        return {other: self._seal(other, seed[number] + masking[number]) for number, other in holders.items()}

    def _channel(self, other: int, sender: int) -> ChaCha20Poly1305:
        shared = self._sealing.exchange(X25519PublicKey.from_public_bytes(self._keys[other].sealing))
        return ChaCha20Poly1305(_derived(shared, b"share" + _number(sender) + _pair(self.member, other), self.round.id))

    def _seal(self, other: int, content: bytes) -> bytes:
        # One message a key: the nonce may be constant.
        return self._channel(other, self.member).encrypt(bytes(12), content, self.round.id)

    def masked(self, vector: np.ndarray, shares: Mapping[int, bytes]) -> np.ndarray:
        """Phase 3: the vector, int64 (D,), under all masks, uint32 (D,). Raises Refused for shares that do not open."""
        self._enter("masked", "unmask")
        if vector.shape != (self.round.parameters,):
            raise Refused(f"a vector of {vector.shape} in a round of {self.round.parameters} parameters")
        for other, sealed in shares.items():
            if other not in self._keys:
                raise Refused(f"{other} is no neighbour that is known here")
            try:
                content = self._channel(other, other).decrypt(bytes(12), sealed, self.round.id)
            except InvalidTag:
                raise Refused(f"the shares of {other} are not for this round, or were changed") from None
            self._held[other] = content[: shamir.SHARE_BYTES], content[shamir.SHARE_BYTES :]
        if len(self._held) < self.round.threshold:
            raise Refused(f"only {len(self._held)} neighbours are left; {self.round.threshold} are needed")
        masked = vector.astype(np.int64).astype(np.uint32) + _mask(self._seed, self.round.parameters)
        for other in self._held:
            seed = _pairwise(self._masking, self._keys[other].masking, self.round, self.member, other)
            masked = _shifted(masked, seed, 1 if self.member < other else -1)
        return masked

    def unmask(self, alive: Iterable[int], dead: Iterable[int]) -> dict[int, bytes]:
        """Phase 4: of each neighbour one share: of its own mask if it is alive, of its pairwise masks if it is dead.

        `alive` and `dead` are all members who were to send a masked vector, and did or did not. Raises Refused where
        they contradict each other, leave out somebody whose shares are held here, or where too few are alive.
        """
        self._enter("unmask", "over")
        living, lost = frozenset(alive), frozenset(dead)
        if living & lost or not living | lost <= frozenset(self.round.members):
            raise Refused("a member is said to be both alive and dead, or is none")
        if self.member not in living or not frozenset(self._held) <= living | lost:
            raise Refused("the lists of members are not complete")
        if len(living) < self.round.least or len(living & self._neighbours) < self.round.threshold:
            raise Refused(f"only {len(living)} members are left")
        return {other: held[0] if other in living else held[1] for other, held in self._held.items()}


def _shifted(vector: np.ndarray, seed: bytes, sign: int) -> np.ndarray:
    mask = _mask(seed, len(vector))
    return vector + mask if sign > 0 else vector - mask


@dataclass
class Collector:
    """The server's half: keeps what came in, says what each member is to be sent, takes the masks off the sum."""

    round: Round
    roster: Mapping[int, bytes]
    """Lasting public keys of all members."""
    keys: dict[int, Keys] = field(default_factory=dict)
    _shares: dict[int, dict[int, bytes]] = field(default_factory=dict)
    _masked: dict[int, np.ndarray] = field(default_factory=dict)

    def take_keys(self, member: int, keys: Keys) -> None:
        """Raises Refused for keys that the member has not signed for this round."""
        keys.check(self.round, member, self.roster[member])
        self.keys[member] = keys

    def keys_for(self, member: int) -> dict[int, Keys]:
        return {other: self.keys[other] for other in self.round.neighbours(member) if other in self.keys}

    def take_shares(self, member: int, shares: Mapping[int, bytes]) -> None:
        """Raises Refused where the shares are not for the neighbours that were asked."""
        if set(shares) != set(self.keys_for(member)):
            raise Refused(f"member {member} sent shares to others than its neighbours")
        self._shares[member] = dict(shares)

    def shares_for(self, member: int) -> dict[int, bytes]:
        """What its neighbours have sealed for a member."""
        return {other: self._shares[other][member] for other in self.round.neighbours(member) if other in self._shares}

    @property
    def sharing(self) -> list[int]:
        """Members that have sent shares."""
        return sorted(self._shares)

    def take_masked(self, member: int, masked: np.ndarray) -> None:
        """Raises Refused for a vector of another length."""
        if masked.dtype != np.uint32 or masked.shape != (self.round.parameters,) or member not in self._shares:
            raise Refused(f"member {member} sent no masked vector of this round")
        self._masked[member] = masked

    @property
    def alive(self) -> list[int]:
        return sorted(self._masked)

    @property
    def dead(self) -> list[int]:
        return sorted(set(self._shares) - set(self._masked))

    def enough(self) -> None:
        """Raises Refused where too few members have sent a vector: nobody is then asked to unmask anything."""
        if len(self._masked) < self.round.least:
            raise Refused(f"only {len(self._masked)} of {self.round.least} members have sent their vector")

    def total(self, answers: Mapping[int, Mapping[int, bytes]]) -> np.ndarray:
        """The sum of all vectors that came in, int64 (D,), from the shares that members gave in the last phase.

        Raises Refused where too few have answered.
        """
        self.enough()
        total = sum(self._masked.values(), start=np.zeros(self.round.parameters, dtype=np.uint32))
        for member in self.sharing:
            secret = self._secret(member, answers)
            if member in self._masked:
                total = _shifted(total, secret, -1)
                continue
            key = X25519PrivateKey.from_private_bytes(secret)
            if key.public_key().public_bytes_raw() != self.keys[member].masking:
                raise Refused(f"the shares of member {member} were changed")
            for other in self.shares_for(member):
                if other in self._masked:
                    # What the living neighbour has added for the dead one is taken off.
                    seed = _pairwise(key, self.keys[other].masking, self.round, member, other)
                    total = _shifted(total, seed, -1 if other < member else 1)
        return total.astype(np.int32).astype(np.int64)

    def _secret(self, member: int, answers: Mapping[int, Mapping[int, bytes]]) -> bytes:
        given = {
            self.round.number_of(other): answers[other][member]
            for other in self.round.neighbours(member)
            if member in answers.get(other, {})
        }
        try:
            return shamir.join(given, self.round.threshold, KEY)
        except ValueError as error:
            raise Refused(f"the mask of member {member} cannot be taken off: {error}") from None


def run(
    round_: Round,
    vectors: Mapping[int, np.ndarray],
    identities: Mapping[int, Ed25519PrivateKey],
    lost: Mapping[str, Sequence[int]] | None = None,
) -> np.ndarray:
    """The whole protocol in one process, for simulations and measurements.

    `lost` names members that never answer from a phase on: `keys`, `shares`, `masked` or `unmask`. Raises Refused.
    """
    lost = lost or {}
    roster = {member: identities[member].public_key().public_bytes_raw() for member in round_.members}
    members = {member: Member(round_, member, identities[member]) for member in round_.members}
    collector = Collector(round_, roster)
    gone: set[int] = set(lost.get("keys", ()))
    for member in set(round_.members) - gone:
        collector.take_keys(member, members[member].keys())
    gone |= set(lost.get("shares", ()))
    for member in set(collector.keys) - gone:
        collector.take_shares(member, members[member].shares(collector.keys_for(member), roster))
    gone |= set(lost.get("masked", ()))
    for member in set(collector.sharing) - gone:
        collector.take_masked(member, members[member].masked(vectors[member], collector.shares_for(member)))
    collector.enough()
    gone |= set(lost.get("unmask", ()))
    staying = set(collector.alive) - gone
    answers = {member: members[member].unmask(collector.alive, collector.dead) for member in staying}
    return collector.total(answers)
