"""Chance models as text: variables of every type over two index sets, actions, faults, nested quantifiers.

What is written here goes through the reader and is written out for each member, as a file of a person would. No member
has a name of its own, so both sets are interchangeable. `head` is asked of empty queues too, now and then.
"""

from __future__ import annotations

from random import Random

from attrs import define, field

DECLARED = {
    "x": ("{each: a, type: a?}", "{each: a, type: a?, initial: any}", "{each: a, type: a, initial: any}"),
    "y": ("{each: a, type: [u, v, w]}", "{each: a, type: [u, v, w], initial: any}"),
    "z": ("{each: [a, b], type: bool}", "{each: b, type: bool}", "{each: [a, a], type: bool}"),
    "s": ("{type: set of a}", "{type: set of a, initial: any}", "{each: b, type: set of a}"),
    "q": ("{type: queue of a, most: 2}", "{type: queue of b, most: 2}"),
    "t": ("{type: a?}", "{type: a, initial: any}"),
    "o": ("{type: b?}",),
    "k": ("{type: 0..3}",),
}
PROMISES = ("always", "always", "reachable", "deadlock", "recoverable")
Names = tuple[tuple[str, str], ...]
"""The names that a text may use, with their index sets."""


def model_file(random: Random) -> str:
    """The text of a model."""
    kept = sorted(random.sample(sorted(DECLARED), random.randint(3, 5)))
    texts = Texts(random, {name: random.choice(DECLARED[name]) for name in kept})
    actions = [texts.action(number) for number in range(random.randint(2, 4))]
    promises = [
        f'  p{number}: {{{kind}: "{texts.formula((), 2)}", why: w}}'
        for number, kind in enumerate(random.choices(PROMISES, k=3))
    ]
    opening = [f"indices: {{a: {random.choice([2, 3])}, b: {random.choice([1, 2])}}}", "variables:"]
    opening += [f"  {name}: {said}" for name, said in texts.variables.items()]
    if random.random() < 0.3:
        opening.append(f'where: "{texts.formula((), 2)}"')
    if random.random() < 0.3:
        opening.append(f'constraint: "{texts.formula((), 1)}"')
    if any("fault" in action for action in actions):
        opening.append(f"faults: {{f: {random.choice(['any', '1', '2'])}}}")
    step = f'  st: {{step: "{texts.step()}", why: w}}'
    lines = ["language: 1", "model: r", "essay: by chance", *opening, "actions:", *actions, "properties:"]
    return "\n".join([*lines, *promises, step]) + "\n"


@define
class Texts:
    """Expressions and actions over some variables."""

    random: Random
    variables: dict[str, str]
    quantified: int = field(default=0)

    def is_like(self, name: str, said: str) -> bool:
        """Whether there is such a variable."""
        return said in self.variables.get(name, "")

    def member(self, names: Names) -> str | None:
        """Some member of a, if there is one to name."""
        known = [name for name, of in names if of == "a"]
        if known and "x" in self.variables and self.random.random() < 0.3:
            known.append(f"x[{self.random.choice(known)}]")
        if "t" in self.variables:
            known.append("t")
        if self.is_like("q", "queue of a") and self.random.random() < 0.2:
            known.append("head(q)")
        return self.random.choice(known) if known else None

    def other(self, names: Names) -> str | None:
        """Some member of b."""
        known = [name for name, of in names if of == "b"] + ["o"] * ("o" in self.variables)
        return self.random.choice(known) if known else None

    def members(self, names: Names) -> str:
        """Some set of members of a."""
        member, other = self.member(names), self.other(names)
        known = ["a"]
        if self.is_like("s", "each"):
            known += [f"s[{other}]"] * 2 if other else []
        elif "s" in self.variables:
            known += ["s"] * 3
        if "y" in self.variables:
            known.append(f"{{m for m in a if y[m] == {self.random.choice('uvw')}}}")
        known += [f"{{{member}}}"] if member else []
        chosen = self.random.choice(known)
        if self.random.random() < 0.25:
            return f"({chosen} {self.random.choice('|&-')} {self.random.choice(known)})"
        return chosen

    def formula(self, names: Names, depth: int) -> str:
        """Something true or false."""
        kind = self.random.random() if depth else 1.0
        if kind < 0.35:
            joined = self.random.choice(["and", "or"])
            return f"({self.formula(names, depth - 1)} {joined} {self.formula(names, depth - 1)})"
        if kind < 0.45:
            return f"(not {self.formula(names, depth - 1)})"
        if kind < 0.75:
            return self.quantifier(names, depth - 1, kind < 0.65)
        return self.random.choice(self.tests(names))

    def quantifier(self, names: Names, depth: int, whether: bool) -> str:
        """Whether all or some members of a set are so, or how many."""
        self.quantified += 1
        name, of = f"m{self.quantified}", self.random.choice("ab") if whether else "a"
        inner = self.formula((*names, (name, of)), depth)
        if not whether:
            said = f"{self.random.choice(['<', '==', '>='])} {self.random.randint(0, 2)}"
            return f"count({inner} for {name} in a) {said}"
        return (
            f"{self.random.choice(['all', 'any'])}({inner} for {name} in {self.members(names) if of == 'a' else 'b'})"
        )

    def tests(self, names: Names) -> list[str]:
        """What may be asked."""
        pick, one, two, other = self.random.choice, self.member(names), self.member(names), self.other(names)
        said = [f"{pick(['one', 'empty'])}({self.members(names)})", f"{self.members(names)} <= {self.members(names)}"]
        if one:
            said.append(f"{one} in {self.members(names)}")
            said += [f"y[{one}] == {pick('uvw')}"] * 2 if "y" in self.variables else []
            said += [f"z[{one}, {other}]"] if other and self.is_like("z", "[a, b]") else []
        if one and two and one != two:
            said.append(f"{one} == {two}")
            said += [f"z[{one}, {two}]"] if self.is_like("z", "[a, a]") else []
        said += [f"z[{other}]"] if other and self.is_like("z", "each: b") else []
        said += [f"k {pick(['<', '==', '>'])} {self.random.randint(0, 3)}"] if "k" in self.variables else []
        said += [f"len(q) {pick(['<', '==', '>'])} {self.random.randint(0, 2)}"] if "q" in self.variables else []
        return said

    def action(self, number: int) -> str:
        """An action of a member of each set."""
        names = (("i", "a"), ("j", "b"))
        chosen = self.random.sample(sorted(self.variables), self.random.randint(1, 2))
        updates = ", ".join(self.update(name, names) for name in chosen)
        fault = ", fault: f" if self.random.random() < 0.25 else ""
        asked = self.formula(names, 2)
        return f'- {{action: a{number}, each: {{i: a, j: b}}, if: "{asked}", set: {{{updates}}}, why: w{fault}}}'

    def update(self, name: str, names: Names) -> str:
        """A new value of a variable, at a place of the arguments."""
        pick = self.random.choice
        if name == "x":
            at = pick(["i", "t"]) if "t" in self.variables else "i"
            return f'"x[{at}]": {pick(["i", "none"]) if self.is_like("x", "a?") else "i"}'
        if name == "z":
            at = "i, j" if self.is_like("z", "[a, b]") else "i, i" if self.is_like("z", "[a, a]") else "j"
            return f'"z[{at}]": "{self.formula(names, 1)}"'
        if name == "s":
            return f'"{"s[j]" if self.is_like("s", "each") else "s"}": "{self.members(names)}"'
        if name == "q":
            return f'q: "append(q, {"i" if self.is_like("q", "of a") else "j"}) if len(q) < 2 else tail(q)"'
        return {"y": f'"y[i]": {pick("uvw")}', "t": "t: i", "o": f"o: {pick(['j', 'none'])}", "k": 'k: "(k + 1) % 4"'}[
            name
        ]

    def step(self) -> str:
        """What may be promised of a step."""
        known = ["true"]
        known += ["k <= next_k"] if "k" in self.variables else []
        known += ["next_s <= s or empty(s)"] if self.is_like("s", "{type") else []
        known += ["all(y[m] == u or next_y[m] != u for m in a)"] if "y" in self.variables else []
        known += ["t == next_t"] if "t" in self.variables else []
        return self.random.choice(known)
