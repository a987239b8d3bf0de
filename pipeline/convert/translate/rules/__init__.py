"""The rules, by kind of operator. A new operator is one function under `@rule("Name")`."""

from pipeline.convert.translate.rules import (  # noqa: F401
    convolution,
    linear,
    movement,
    norm,
    pointwise,
    pool,
    recurrent,
    reduction,
    resize,
    sampling,
    scatter,
    select,
    transposed,
    trigonometry,
)
