"""Arithmetic in a sweep file: `4 * rows KiB`, `array.rows * array.cols <= 1024`. Exact, with units, nothing else.

The grammar is Python's for numbers, names, dotted paths, `+ - * / // % **`, comparisons, `and or not` and the functions
of `FUNCTIONS`; a number may carry a unit (`64 KiB`), and a unit behind the whole expression multiplies it. There is no
attribute access, no call of anything else and no value larger than `LARGEST`.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from accelsim.errors import InputError, nearest
from accelsim.space.quantity import UNITS, Quantity, Scalar, best_unit, number, parse, shown

LARGEST = 10**30
LONGEST = 500  # characters
EXPONENT = 64
_UNIT = "|".join(sorted((re.escape(unit) for unit in UNITS), key=len, reverse=True))
_LITERAL = re.compile(rf"(?<![\w.])(\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*({_UNIT})(?![\w/])")
_TRAILING = re.compile(rf"(.*[\w)\]])\s+({_UNIT})\s*", re.DOTALL)
FUNCTIONS = ("min", "max", "ceil", "floor", "round", "abs", "sqrt", "log2")
Value = Quantity | str | bool
_SIGNS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.USub: "neg", ast.UAdd: "pos", ast.Not: "not", ast.And: "and", ast.Or: "or",
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip


@dataclass(frozen=True)
class Apply:
    """A sign or function and what it is applied to: values, names (`Name`) or further applications."""

    sign: str
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Name:
    """A name or dotted path."""

    path: str


Node = Quantity | str | bool | Name | Apply


@dataclass(frozen=True)
class Expression:
    """A parsed expression.

    Attributes:
        text: as written. names: the names and dotted paths it reads, in order of appearance.
        unit: the unit behind it, empty if there is none.
    """

    text: str
    tree: Node
    names: tuple[str, ...]
    unit: str = ""

    def value(self, known: Mapping[str, Scalar]) -> Value:
        """What it is for these values of its names.

        Raises:
            InputError: units that do not go together, division by zero, too large a value.
        """
        try:
            found = _evaluate(self.tree, known)
            if not self.unit:
                return found
            base, scale = UNITS[self.unit]
            if not isinstance(found, Quantity) or found.base:
                raise InputError(f"unit {self.unit} behind {_kind(found)}, expected it behind a number")
            return Quantity(found.value * scale, base)
        except InputError as error:
            raise InputError(f"{self.text!r}: {error}") from None

    def scalar(self, known: Mapping[str, Scalar]) -> Scalar:
        """What it is, as a value of a machine's file."""
        found = self.value(known)
        if not isinstance(found, Quantity):
            return found
        try:
            return shown(found, self.unit or (best_unit(found) if found.base else ""))
        except InputError as error:
            raise InputError(f"{self.text!r}: {error}") from None

    def holds(self, known: Mapping[str, Scalar]) -> bool:
        """Whether a comparison is true.

        Raises:
            InputError: it is not a comparison.
        """
        found = self.value(known)
        if not isinstance(found, bool):
            raise InputError(f"{self.text!r} is {_kind(found)}, expected a comparison such as 'rows * cols <= 1024'")
        return found


def read(text: object) -> Expression:
    """An expression from a sweep file.

    Raises:
        InputError: outside the grammar, with what is allowed.
    """
    if isinstance(text, int | float) and not isinstance(text, bool):
        text = str(text)
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST:
        raise InputError(f"{text!r} is not an expression such as '4 * rows KiB'")
    body, unit = text.strip(), ""
    trailing = _TRAILING.fullmatch(body)
    if trailing is not None and parse(f"{_tail(trailing[1])} {trailing[2]}") is None:
        body, unit = trailing[1], trailing[2]
    reader = _Reader(text)
    try:
        tree = reader.node(ast.parse(_LITERAL.sub(reader.keep, body), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise InputError(f"{text!r} is not an expression such as '4 * rows KiB'") from None
    return Expression(text, tree, tuple(reader.names), unit)


def _tail(body: str) -> str:
    """The last token."""
    match = re.search(r"[\w.]+$", body)
    return match[0] if match is not None else ""


class _Reader:
    """Python's syntax tree into ours; whatever is not in the grammar is refused."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.literals: dict[str, Quantity] = {}
        self.names: dict[str, None] = {}

    def keep(self, match: re.Match[str]) -> str:
        """A stand-in for a number with a unit."""
        found, name = parse(match[0]), f"__{len(self.literals)}"
        assert found is not None
        self.literals[name] = found
        return name

    def node(self, node: ast.expr) -> Node:
        match node:
            case ast.Constant(value=bool() | str() as value):
                return value
            case ast.Constant(value=int() | float() as value):
                found = number(value)
                if found is not None:
                    return found
            case ast.Name(id=name) if name in self.literals:
                return self.literals[name]
            case ast.Name() | ast.Attribute() | ast.Subscript():
                return self._path(ast.unparse(node))
            case ast.UnaryOp(op=op, operand=operand) if type(op) in _SIGNS:
                return Apply(_SIGNS[type(op)], (self.node(operand),))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _SIGNS:
                return Apply(_SIGNS[type(op)], (self.node(left), self.node(right)))
            case ast.BoolOp(op=op, values=values):
                return Apply(_SIGNS[type(op)], tuple(self.node(value) for value in values))
            case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _SIGNS for op in ops):
                sides = [self.node(side) for side in (left, *others)]
                pairs = zip(sides, ops, sides[1:], strict=False)
                return Apply("and", tuple(Apply(_SIGNS[type(op)], (a, b)) for a, op, b in pairs))
            case ast.Call(func=func, args=args, keywords=[]):
                return self._call(ast.unparse(func), args)
        raise InputError(
            f"{self.text!r}: {type(node).__name__} is not allowed; expected numbers with units, names, + - * / // % "
            f"**, comparisons, and, or, not, and {', '.join(FUNCTIONS)}"
        )

    def _path(self, name: str) -> Name:
        if not re.fullmatch(r"[A-Za-z_]\w*(\.\w+|\[\d+\])*", name):
            raise InputError(f"{self.text!r}: {name!r} is not a path such as array.rows")
        self.names[name] = None
        return Name(name)

    def _call(self, name: str, args: list[ast.expr]) -> Apply:
        if name not in FUNCTIONS:
            raise InputError(f"{self.text!r}: no function {name!r}; {nearest(name, FUNCTIONS)}")
        if not args or (len(args) > 1 and name not in ("min", "max")):
            raise InputError(f"{self.text!r}: {name} takes {'values' if name in ('min', 'max') else 'one value'}")
        return Apply(name, tuple(self.node(argument) for argument in args))


def _kind(value: Value) -> str:
    if isinstance(value, Quantity):
        return value.kind
    return "true or false" if isinstance(value, bool) else repr(value)


def _evaluate(node: Node, known: Mapping[str, Scalar]) -> Value:
    if isinstance(node, Name):
        if node.path not in known:
            raise InputError(f"no value {node.path!r}; {nearest(node.path, known)}")
        given = known[node.path]
        found = number(given)
        if found is not None:
            return found
        if isinstance(given, bool | str):
            return given
        raise InputError(f"{node.path} is {given}, expected a finite number")
    if not isinstance(node, Apply):
        return node
    parts = [_evaluate(part, known) for part in node.parts]
    if node.sign in ("and", "or", "not"):
        return _logic(node.sign, parts)
    if node.sign in ("==", "!=") and not any(isinstance(part, Quantity) for part in parts):
        return (parts[0] == parts[1]) == (node.sign == "==")
    numbers = [part for part in parts if isinstance(part, Quantity)]
    if len(numbers) < len(parts):
        wrong = next(part for part in parts if not isinstance(part, Quantity))
        raise InputError(f"{node.sign} of {_kind(wrong)}, expected numbers")
    return _arithmetic(node.sign, numbers)


def _logic(sign: str, parts: list[Value]) -> bool:
    flags = [part for part in parts if isinstance(part, bool)]
    if len(flags) < len(parts):
        raise InputError(f"{sign} joins comparisons, not {_kind(next(p for p in parts if not isinstance(p, bool)))}")
    return not flags[0] if sign == "not" else all(flags) if sign == "and" else any(flags)


def _arithmetic(sign: str, parts: list[Quantity]) -> Value:
    first, last = parts[0], parts[-1]
    a, b = first.value, last.value
    if sign in ("*", "/", "//", "%", "**"):
        return _bounded(_scaled(sign, first, last))
    if len({part.base for part in parts}) > 1:
        kinds = " and ".join(dict.fromkeys(part.kind for part in parts))
        raise InputError(f"{sign} of {kinds}, expected the same kind")
    order = {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b, "==": a == b, "!=": a != b}
    if sign in order:
        return order[sign]
    if sign in ("min", "max"):
        return (min if sign == "min" else max)(parts, key=lambda part: part.value)
    if sign in ("sqrt", "log2"):
        return _root(sign, first)
    results = {
        "+": a + b, "-": a - b, "neg": -a, "pos": a, "abs": abs(a), "ceil": Fraction(math.ceil(a)),
        "floor": Fraction(math.floor(a)), "round": Fraction(round(a)),
    }  # fmt: skip
    return _bounded(Quantity(results[sign], first.base))


def _scaled(sign: str, first: Quantity, last: Quantity) -> Quantity:
    """Products, quotients and powers, with their units."""
    a, b = first.value, last.value
    if sign == "*":
        if first.base and last.base:
            raise InputError(f"* of {first.kind} and {last.kind}, expected one plain number")
        return Quantity(a * b, first.base or last.base)
    if sign == "**":
        if first.base or last.base or b.denominator != 1 or abs(b) > EXPONENT:
            raise InputError(f"** expects plain numbers and a whole exponent of at most {EXPONENT}")
        if a == 0 and b < 0:
            raise InputError("division by zero")
        return Quantity(a ** int(b))
    if last.base not in ("", first.base):
        raise InputError(f"{sign} of {first.kind} by {last.kind}, expected the same kind or a plain divisor")
    if b == 0:
        raise InputError("division by zero")
    if sign == "%":
        return Quantity(a % b, first.base)
    return Quantity(a / b if sign == "/" else Fraction(a // b), "" if last.base else first.base)


def _root(sign: str, given: Quantity) -> Quantity:
    """Square root (exact of squares) and binary logarithm of plain numbers."""
    a = given.value
    if given.base or a < 0 or (sign == "log2" and a == 0):
        raise InputError(f"{sign} of {given.kind} {float(a):g}, expected a plain positive number")
    if sign == "log2":
        return Quantity(Fraction(math.log2(a)))
    top, below = math.isqrt(a.numerator), math.isqrt(a.denominator)
    exact = top * top == a.numerator and below * below == a.denominator
    return Quantity(Fraction(top, below) if exact else Fraction(math.sqrt(a)))


def _bounded(found: Quantity) -> Quantity:
    if abs(found.value) > LARGEST or found.value.denominator > LARGEST:
        raise InputError(f"a value beyond {float(LARGEST):g}")
    return found
