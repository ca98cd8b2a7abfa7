"""Eight numbers at once, for the one loop where it matters: vectors of the processor as values inside kernels.

LLVM does not vectorise a loop that sorts entries into two lists, because it finds no use for compression by itself.
Here the vectors are named: `FLOATS` (eight float64), `WORDS` (eight uint64) and `MASK` (eight booleans) are types
that live only inside compiled functions, and every function below is one operation of LLVM on them. Where the
processor lacks an instruction LLVM expands it, so results are the same everywhere; only `HAS_LANES` says whether it
is worth it.

Numba's cache does not notice an edit here: delete the cache of `tree_batch` after one.
"""

from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic, models, register_model

__all__ = [
    "FLOATS",
    "HAS_LANES",
    "MASK",
    "N_LANES",
    "WORDS",
    "at_most",
    "bits_of",
    "both",
    "choose",
    "compress",
    "count",
    "differ",
    "equal",
    "first_lanes",
    "gather",
    "less",
    "load",
    "rounded",
    "spread",
    "spread_flag",
    "store",
    "times",
    "word_add",
    "word_and",
    "word_or",
]

N_LANES = 8
# Compression in registers came with AVX-512, and LLVM names it since 19; without it the plain loop is faster.
HAS_LANES = binding.llvm_version_info[0] >= 19 and bool(binding.get_host_cpu_features().get("avx512vl"))

_ELEMENTS = {"floats": ir.DoubleType(), "words": ir.IntType(64), "mask": ir.IntType(1)}
_SUFFIXES = {"floats": "v8f64", "words": "v8i64"}


class _Lanes(types.Type):
    """Numba's type of a vector; `kind` is a key of _ELEMENTS."""

    def __init__(self, kind):
        self.kind = kind
        super().__init__(name=f"lanes_of_{kind}")


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, _vector(fe_type.kind))


def _vector(kind):
    return ir.VectorType(_ELEMENTS[kind], N_LANES)


FLOATS, WORDS, MASK = _Lanes("floats"), _Lanes("words"), _Lanes("mask")
_LANES_OF = {types.float64: FLOATS, types.uint64: WORDS}


def _call(builder, name, result, *args):
    """Call one of LLVM's own functions."""
    known = builder.module.globals.get(name)
    function = known or ir.Function(builder.module, ir.FunctionType(result, [a.type for a in args]), name)
    return builder.call(function, args)


def _repeat(builder, value, vector):
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), N_LANES), [0] * N_LANES)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), zeros)


def _counting(builder):
    return ir.Constant(_vector("words"), list(range(N_LANES)))


def _data(context, builder, sig, args):
    return context.make_array(sig.args[0])(context, builder, args[0]).data


def _unary(result, operand, build):
    @intrinsic
    def operation(typingctx, a):
        return result(operand), lambda context, builder, sig, args: build(builder, *args)

    return operation


def _binary(result, operand, build):
    @intrinsic
    def operation(typingctx, a, b):
        return result(operand, operand), lambda context, builder, sig, args: build(builder, *args)

    return operation


@intrinsic
def load(typingctx, array, index):
    """Eight neighbours of a contiguous one-dimensional array, from uint64 index on."""
    lanes = _LANES_OF[array.dtype]

    def build(context, builder, sig, args):
        first = builder.gep(_data(context, builder, sig, args), [args[1]])
        return builder.load(builder.bitcast(first, _vector(lanes.kind).as_pointer()), align=8)

    return lanes(array, types.uint64), build


@intrinsic
def store(typingctx, array, index, lanes):
    """Write eight neighbours."""

    def build(context, builder, sig, args):
        first = builder.gep(_data(context, builder, sig, args), [args[1]])
        builder.store(args[2], builder.bitcast(first, _vector(lanes.kind).as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(array, types.uint64, lanes), build


@intrinsic
def gather(typingctx, array, index, mask):
    """float64 array[index] in the lanes of the mask, 0 in the others."""

    def build(context, builder, sig, args):
        words, floats = _vector("words"), _vector("floats")
        start = builder.ptrtoint(_data(context, builder, sig, args), ir.IntType(64))
        offsets = builder.shl(args[1], ir.Constant(words, [3] * N_LANES))
        places = builder.add(_repeat(builder, start, words), offsets)
        pointers = builder.inttoptr(places, ir.VectorType(ir.DoubleType().as_pointer(), N_LANES))
        zeros, alignment = ir.Constant(floats, [0.0] * N_LANES), ir.IntType(32)(8)
        return _call(builder, "llvm.masked.gather.v8f64.v8p0", floats, pointers, alignment, args[2], zeros)

    return FLOATS(array, WORDS, MASK), build


@intrinsic
def spread(typingctx, value):
    """One float64 or uint64 in all lanes."""
    lanes = _LANES_OF[value]
    return lanes(value), lambda context, builder, sig, args: _repeat(builder, args[0], _vector(lanes.kind))


@intrinsic
def spread_flag(typingctx, flag):
    """One boolean in all lanes."""

    def build(context, builder, sig, args):
        return _repeat(builder, builder.trunc(args[0], ir.IntType(1)), _vector("mask"))

    return MASK(types.boolean), build


@intrinsic
def compress(typingctx, lanes, mask):
    """The lanes of the mask, in order, at the front; what follows them is undefined."""

    def build(context, builder, sig, args):
        vector = _vector(lanes.kind)
        name = f"llvm.experimental.vector.compress.{_SUFFIXES[lanes.kind]}"
        return _call(builder, name, vector, args[0], args[1], ir.Constant(vector, ir.Undefined))

    return lanes(lanes, MASK), build


@intrinsic
def choose(typingctx, mask, a, b):
    """``a`` in the lanes of the mask, ``b`` in the others."""
    return a(MASK, a, a), lambda context, builder, sig, args: builder.select(*args)


def _first(builder, n):
    return builder.icmp_unsigned("<", _counting(builder), _repeat(builder, n, _vector("words")))


def _bits(builder, mask):
    return builder.zext(builder.bitcast(mask, ir.IntType(8)), ir.IntType(64))


def _round(builder, a):
    return _call(builder, "llvm.rint.v8f64", a.type, a)


def _ones(builder, mask):
    return _call(builder, "llvm.ctpop.i64", ir.IntType(64), _bits(builder, mask))


first_lanes = _unary(MASK, types.uint64, _first)  # the first n lanes
bits_of = _unary(types.uint64, MASK, _bits)  # lane k as bit k
rounded = _unary(FLOATS, FLOATS, _round)  # to the nearest integer
count = _unary(types.uint64, MASK, _ones)

times = _binary(FLOATS, FLOATS, lambda builder, a, b: builder.fmul(a, b))
less = _binary(MASK, FLOATS, lambda builder, a, b: builder.fcmp_ordered("<", a, b))
at_most = _binary(MASK, FLOATS, lambda builder, a, b: builder.fcmp_ordered("<=", a, b))
equal = _binary(MASK, FLOATS, lambda builder, a, b: builder.fcmp_ordered("==", a, b))
both = _binary(MASK, MASK, lambda builder, a, b: builder.and_(a, b))
differ = _binary(MASK, MASK, lambda builder, a, b: builder.xor(a, b))
word_add = _binary(WORDS, WORDS, lambda builder, a, b: builder.add(a, b))
word_and = _binary(WORDS, WORDS, lambda builder, a, b: builder.and_(a, b))
word_or = _binary(WORDS, WORDS, lambda builder, a, b: builder.or_(a, b))
