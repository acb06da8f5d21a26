"""What a Python playbook may use: modules by their names, builtins, and the attributes that lead out of any box.

Lint and the process in which a playbook is called read the same lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

AUTHORING: Final = "grace.authoring.playbook"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MODULES: Final[Mapping[str, frozenset[str]]] = {
    AUTHORING: _words(
        "Cause Clause Contract Declared Draft Found Incident Input Look Measure NothingToDo Output Remedy Service Step"
        " Value Wait benchmark cause look metric output playbook probe step"
    ),
    "__future__": _words("annotations"),
    "collections": _words("ChainMap Counter OrderedDict defaultdict deque"),
    "collections.abc": _words("Callable Collection Iterable Iterator Mapping Sequence Set"),
    "dataclasses": _words("asdict astuple dataclass field replace"),
    "datetime": _words("UTC date datetime time timedelta timezone"),
    "functools": _words("cmp_to_key partial reduce"),
    "itertools": _words(
        "accumulate batched chain combinations combinations_with_replacement compress count cycle dropwhile filterfalse"
        " groupby islice pairwise permutations product repeat starmap takewhile tee zip_longest"
    ),
    "json": _words("dumps loads JSONDecodeError"),
    "math": _words(
        "acos asin atan atan2 ceil comb copysign cos degrees dist e exp fabs factorial floor fmod fsum gcd hypot inf"
        " isclose isfinite isinf isnan isqrt lcm ldexp log log10 log1p log2 modf nan perm pi pow prod radians remainder"
        " sin sqrt tan tau trunc"
    ),
    "pathlib": _words("PurePath PurePosixPath PureWindowsPath"),
    "re": _words(
        "A ASCII DOTALL I IGNORECASE M MULTILINE Match NOFLAG Pattern S VERBOSE X compile error escape findall finditer"
        " fullmatch match search split sub subn"
    ),
    "statistics": _words(
        "StatisticsError correlation covariance fmean geometric_mean harmonic_mean linear_regression mean median"
        " median_grouped median_high median_low mode multimode pstdev pvariance quantiles stdev variance"
    ),
    "string": _words(
        "ascii_letters ascii_lowercase ascii_uppercase capwords digits hexdigits octdigits printable punctuation"
        " whitespace"
    ),
    "typing": _words(
        "Annotated Any Final Literal NamedTuple NewType Optional TypeAlias TypeVar TypedDict Union assert_never cast"
    ),
}
"""Only these names of these modules: `statistics.sys` is a way out that `statistics.mean` is not."""

BUILTINS: Final = _words(
    "ArithmeticError AssertionError AttributeError Ellipsis Exception False IndexError KeyError LookupError None"
    " NotImplemented NotImplementedError OverflowError RuntimeError StopIteration True TypeError ValueError"
    " ZeroDivisionError abs all any ascii bin bool bytes chr classmethod dict divmod enumerate filter float frozenset"
    " hex int isinstance issubclass iter len list map max min next oct ord pow property range repr reversed round set"
    " slice sorted staticmethod str sum tuple zip __build_class__ __debug__ __import__ __name__"
)

METHODS: Final = _words("__post_init__ __init__ __len__ __iter__ __contains__ __lt__ __str__")
"""The only names with two underscores that a playbook may write, and only to define them."""

NO_ATTRIBUTES: Final[Mapping[str, str]] = {
    **dict.fromkeys(_words("now today utcnow fromtimestamp timestamp astimezone"), "a playbook has no clock"),
    **dict.fromkeys(_words("format format_map"), "a format text can reach any attribute; write an f-string"),
    **dict.fromkeys(
        _words(
            "ag_await ag_code ag_frame cr_await cr_code cr_frame cr_origin f_back f_builtins f_code f_globals f_locals"
            " gi_code gi_frame gi_yieldfrom mro tb_frame tb_next with_traceback"
        ),
        "it leads out of the playbook",
    ),
}
