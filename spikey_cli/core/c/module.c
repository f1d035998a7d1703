/* The core as a Python module: checks types and sizes of buffers, releases the interpreter's lock, sets the floating-point
 * arithmetic that coding needs, raises errors. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

#include "exact_floats.h"
#include "spikey.h"

typedef struct {
    spikey_tables *tables;
    PyObject *network_type, *state_type, *coder_type;
} module_state;

/* ---- errors and buffers ---- */

static PyObject *raise_error(int error) {
    switch (error) {
    case SPIKEY_NO_MEMORY: return PyErr_NoMemory();
    case SPIKEY_BAD_CODE: PyErr_SetString(PyExc_ValueError, "a code is not on its grid"); return 0;
    case SPIKEY_NO_ROOM: PyErr_SetString(PyExc_ValueError, "more steps than the encoder was made for"); return 0;
    default: PyErr_SetString(PyExc_ValueError, "the arguments do not fit together"); return 0;
    }
}

/* Around what computes in floats: another library may have set this thread to round or to flush otherwise. */
#define EXACTLY(...)                                         \
    do {                                                     \
        spikey_float_mode before = spikey_begin_exact();     \
        __VA_ARGS__;                                         \
        spikey_end_exact(before);                            \
    } while (0)

enum { MAX_BUFFERS = 16 };

/* The buffers of one call; all are given back at its end. */
typedef struct {
    Py_buffer view[MAX_BUFFERS];
    int n, failed;
} buffers;

static void give_back(buffers *held) {
    while (held->n > 0) PyBuffer_Release(&held->view[--held->n]);
}

/* The kind of a format: i (signed), u (unsigned), f, d, ? (bool); 0 for any other. */
static char kind_of(const char *format) {
    if (!format) return 'u';
    if (*format == '@' || *format == '=' || *format == '<') format++;
    if (!*format || format[1]) return 0;
    if (strchr("bhilq", *format)) return 'i';
    if (strchr("BHILQ", *format)) return 'u';
    return strchr("fd?", *format) ? *format : 0;
}

/* A contiguous buffer of `kinds` and items of `item_size` bytes (0: any); its number of items in `n`. NULL, with an
 * exception set, if it is none. */
static void *take(buffers *held, PyObject *object, const char *kinds, Py_ssize_t item_size, int writable, int64_t *n) {
    if (held->failed) return 0;
    Py_buffer *view = &held->view[held->n];
    if (PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0)) < 0) {
        held->failed = 1;
        return 0;
    }
    held->n++;
    char kind = kind_of(view->format);
    if (!kind || !strchr(kinds, kind) || (item_size && view->itemsize != item_size)) {
        PyErr_Format(PyExc_TypeError, "an array has format %s and items of %zd bytes; it must have another",
                     view->format ? view->format : "B", view->itemsize);
        held->failed = 1;
        return 0;
    }
    if ((uintptr_t)view->buf % (uintptr_t)view->itemsize) {
        PyErr_SetString(PyExc_ValueError, "an array is not aligned; copy it");
        held->failed = 1;
        return 0;
    }
    *n = view->len / view->itemsize;
    static int64_t nothing;
    return view->buf ? view->buf : &nothing;
}

/* The same, for a buffer of exactly `expected` items. */
static void *take_exactly(buffers *held, PyObject *object, const char *kinds, Py_ssize_t item_size, int writable,
                          int64_t expected) {
    int64_t n = 0;
    void *data = take(held, object, kinds, item_size, writable, &n);
    if (!held->failed && n != expected) {
        PyErr_Format(PyExc_ValueError, "an array has %lld items; it must have %lld", (long long)n, (long long)expected);
        held->failed = 1;
    }
    return held->failed ? 0 : data;
}

/* Samples: uint8, int16 or int32. */
static void *take_samples(buffers *held, PyObject *object, int writable, int64_t *n, spikey_sample_type *type) {
    void *data = take(held, object, "iu", 0, writable, n);
    if (held->failed) return 0;
    Py_buffer *view = &held->view[held->n - 1];
    char kind = kind_of(view->format);
    if (kind == 'u' && view->itemsize == 1)
        *type = SPIKEY_UINT8;
    else if (kind == 'i' && view->itemsize == 2)
        *type = SPIKEY_INT16;
    else if (kind == 'i' && view->itemsize == 4)
        *type = SPIKEY_INT32;
    else {
        PyErr_SetString(PyExc_TypeError, "samples are uint8, int16 or int32");
        held->failed = 1;
        return 0;
    }
    return data;
}

static int in_range(buffers *held, long long number, long long low, long long high) {
    if (!held->failed && (number < low || number > high)) {
        PyErr_Format(PyExc_ValueError, "%lld is not in %lld..%lld", number, low, high);
        held->failed = 1;
    }
    return !held->failed;
}

static PyObject *boolean(buffers *held, int value) {
    int failed = held->failed;
    give_back(held);
    return failed ? 0 : PyBool_FromLong(value);
}

static PyObject *outcome(buffers *held, int error) {
    int failed = held->failed;
    give_back(held);
    if (failed) return 0;
    if (error) return raise_error(error);
    Py_RETURN_NONE;
}

/* ---- residuals, quantizer and packed codes ---- */

static PyObject *py_residuals(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *samples, *residuals;
    long long n_channels;
    buffers held = {.n = 0};
    int64_t n = 0;
    int error = 0;
    spikey_sample_type type = SPIKEY_UINT8;
    if (!PyArg_ParseTuple(args, "OLO:residuals", &samples, &n_channels, &residuals)) return 0;
    void *from = take_samples(&held, samples, 0, &n, &type);
    if (in_range(&held, n_channels, 1, n) && in_range(&held, n % n_channels, 0, 0)) {
        int64_t n_frames = n / n_channels;
        int8_t *to = take_exactly(&held, residuals, "i", 1, 1, n);
        if (!held.failed) {
            Py_BEGIN_ALLOW_THREADS
            EXACTLY(error = spikey_residuals(from, type, n_frames, n_channels, to));
            Py_END_ALLOW_THREADS
        }
    }
    return outcome(&held, error);
}

static PyObject *py_mark(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *samples, *seen;
    int lowest, on_grid = 0;
    buffers held = {.n = 0};
    int64_t n = 0, n_seen = 0;
    spikey_sample_type type = SPIKEY_UINT8;
    if (!PyArg_ParseTuple(args, "OiO:mark", &samples, &lowest, &seen)) return 0;
    void *from = take_samples(&held, samples, 0, &n, &type);
    uint8_t *to = take(&held, seen, "u", 1, 1, &n_seen);
    if (!held.failed) {
        Py_BEGIN_ALLOW_THREADS
        on_grid = spikey_mark(from, type, n, lowest, to, n_seen);
        Py_END_ALLOW_THREADS
    }
    return boolean(&held, on_grid);
}

static PyObject *py_uniform_codes(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *samples, *codes;
    int offset, step, size, on_grid = 0;
    buffers held = {.n = 0};
    int64_t n = 0;
    spikey_sample_type type = SPIKEY_UINT8;
    if (!PyArg_ParseTuple(args, "OiiiO:uniform_codes", &samples, &offset, &step, &size, &codes)) return 0;
    void *from = take_samples(&held, samples, 0, &n, &type);
    int32_t *to = take_exactly(&held, codes, "i", 4, 1, n);
    if (in_range(&held, step, 1, SPIKEY_MAX_SIZE) && in_range(&held, size, 1, SPIKEY_MAX_SIZE) &&
        in_range(&held, offset, -SPIKEY_MAX_SIZE, SPIKEY_MAX_SIZE) &&
        in_range(&held, (long long)(size - 1) * step, 0, SPIKEY_MAX_SIZE)) {
        Py_BEGIN_ALLOW_THREADS
        on_grid = spikey_uniform_codes(from, type, n, offset, step, size, to);
        Py_END_ALLOW_THREADS
    }
    return boolean(&held, on_grid);
}

static PyObject *py_uniform_samples(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *codes, *samples;
    int offset, step, size, on_grid = 0;
    buffers held = {.n = 0};
    int64_t n = 0;
    spikey_sample_type type = SPIKEY_UINT8;
    if (!PyArg_ParseTuple(args, "OiiiO:uniform_samples", &codes, &offset, &step, &size, &samples)) return 0;
    void *to = take_samples(&held, samples, 1, &n, &type);
    int32_t *from = take_exactly(&held, codes, "i", 4, 0, n);
    if (in_range(&held, size, 1, SPIKEY_MAX_SIZE)) {
        Py_BEGIN_ALLOW_THREADS
        on_grid = spikey_uniform_samples(from, n, offset, step, size, type, to);
        Py_END_ALLOW_THREADS
    }
    return boolean(&held, on_grid);
}

static PyObject *py_table_codes(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *samples, *table, *codes;
    int lowest, on_grid = 0;
    buffers held = {.n = 0};
    int64_t n = 0, n_table = 0;
    spikey_sample_type type = SPIKEY_UINT8;
    if (!PyArg_ParseTuple(args, "OiOO:table_codes", &samples, &lowest, &table, &codes)) return 0;
    void *from = take_samples(&held, samples, 0, &n, &type);
    int16_t *code_of = take(&held, table, "i", 2, 0, &n_table);
    int32_t *to = take_exactly(&held, codes, "i", 4, 1, n);
    if (!held.failed) {
        Py_BEGIN_ALLOW_THREADS
        on_grid = spikey_table_codes(from, type, n, lowest, code_of, n_table, to);
        Py_END_ALLOW_THREADS
    }
    return boolean(&held, on_grid);
}

static PyObject *py_table_samples(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *codes, *table, *samples;
    int on_grid = 0;
    buffers held = {.n = 0};
    int64_t n = 0, size = 0;
    spikey_sample_type type = SPIKEY_UINT8;
    if (!PyArg_ParseTuple(args, "OOO:table_samples", &codes, &table, &samples)) return 0;
    void *to = take_samples(&held, samples, 1, &n, &type);
    int32_t *from = take_exactly(&held, codes, "i", 4, 0, n);
    int32_t *values = take(&held, table, "i", 4, 0, &size);
    if (in_range(&held, size, 0, SPIKEY_MAX_SIZE)) {
        Py_BEGIN_ALLOW_THREADS
        on_grid = spikey_table_samples(from, n, values, (int32_t)size, type, to);
        Py_END_ALLOW_THREADS
    }
    return boolean(&held, on_grid);
}

/* Samples that are scaled: of the type's kind and size, which the kind of scaling must fit. */
static void *take_scaled(buffers *held, PyObject *object, int writable, int64_t *n, int type,
                         const spikey_scaling *scaling) {
    static const struct {
        char kind[2];
        Py_ssize_t size;
    } types[] = {{"i", 4}, {"f", 4}, {"d", 8}, {"u", 2}, {"u", 4}, {"i", 8}};
    if (!in_range(held, type, SPIKEY_SAMPLE_INT32, SPIKEY_SAMPLE_INT64) ||
        !in_range(held, (long long)scaling->kind, SPIKEY_SCALE_INTEGER, SPIKEY_SCALE_SHIFT32))
        return 0;
    int is_float = type == SPIKEY_SAMPLE_FLOAT32 || type == SPIKEY_SAMPLE_FLOAT64;
    if (is_float != (scaling->kind != SPIKEY_SCALE_INTEGER) || scaling->step == 0) {
        PyErr_SetString(PyExc_ValueError, "the scaling does not fit the type of the samples");
        held->failed = 1;
        return 0;
    }
    int i = type - SPIKEY_SAMPLE_INT32;
    return take(held, object, types[i].kind, types[i].size, writable, n);
}

static PyObject *py_scaled(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *integers, *samples;
    int kind, type;
    long long base, step;
    buffers held = {.n = 0};
    int64_t n = 0;
    spikey_scaling scaling;
    if (!PyArg_ParseTuple(args, "OiddLLiO:scaled", &integers, &kind, &scaling.gain, &scaling.offset, &base, &step,
                          &type, &samples))
        return 0;
    scaling.kind = (spikey_scaling_kind)kind, scaling.base = base, scaling.step = step;
    void *to = take_scaled(&held, samples, 1, &n, type, &scaling);
    int32_t *from = take_exactly(&held, integers, "i", 4, 0, n);
    if (!held.failed) {
        Py_BEGIN_ALLOW_THREADS
        EXACTLY(spikey_scaled(from, n, &scaling, (spikey_scaled_type)type, to));
        Py_END_ALLOW_THREADS
    }
    return outcome(&held, SPIKEY_OK);
}

static PyObject *py_unscaled(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *integers, *samples;
    int kind, type, lowest, highest;
    long long base, step;
    buffers held = {.n = 0};
    int64_t n = 0, exceptions = 0;
    spikey_scaling scaling;
    if (!PyArg_ParseTuple(args, "OiddLLiiiO:unscaled", &samples, &kind, &scaling.gain, &scaling.offset, &base, &step,
                          &type, &lowest, &highest, &integers))
        return 0;
    scaling.kind = (spikey_scaling_kind)kind, scaling.base = base, scaling.step = step;
    void *from = take_scaled(&held, samples, 0, &n, type, &scaling);
    int32_t *to = take_exactly(&held, integers, "i", 4, 1, n);
    if (in_range(&held, lowest, -(1 << 23), (1 << 23) - 1) && in_range(&held, highest, lowest, (1 << 23) - 1)) {
        Py_BEGIN_ALLOW_THREADS
        EXACTLY(exceptions = spikey_unscaled(from, (spikey_scaled_type)type, n, &scaling, lowest, highest, to));
        Py_END_ALLOW_THREADS
    }
    int failed = held.failed;
    give_back(&held);
    return failed ? 0 : PyLong_FromLongLong(exceptions);
}

static PyObject *py_pack(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *codes, *stream = 0;
    int width;
    buffers held = {.n = 0};
    int64_t n = 0;
    if (!PyArg_ParseTuple(args, "Oi:pack", &codes, &width)) return 0;
    int32_t *from = take(&held, codes, "i", 4, 0, &n);
    if (in_range(&held, width, 1, 31)) stream = PyBytes_FromStringAndSize(0, (Py_ssize_t)((n * width + 7) / 8));
    if (stream) {
        uint8_t *to = (uint8_t *)PyBytes_AsString(stream);
        Py_BEGIN_ALLOW_THREADS
        spikey_pack(from, n, width, to);
        Py_END_ALLOW_THREADS
    }
    give_back(&held);
    return stream;
}

static PyObject *py_unpack(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *stream, *codes;
    int width, size, on_grid = 0;
    buffers held = {.n = 0};
    int64_t n = 0;
    if (!PyArg_ParseTuple(args, "OiiO:unpack", &stream, &width, &size, &codes)) return 0;
    int32_t *to = take(&held, codes, "i", 4, 1, &n);
    if (!in_range(&held, width, 1, 31)) width = 1;
    uint8_t *from = take_exactly(&held, stream, "u", 1, 0, (n * width + 7) / 8);
    if (!held.failed) {
        Py_BEGIN_ALLOW_THREADS
        on_grid = spikey_unpack(from, n, width, size, to);
        Py_END_ALLOW_THREADS
    }
    return boolean(&held, on_grid);
}

/* ---- lanes ---- */

static const spikey_tables *tables_of(PyObject *module) {
    return ((module_state *)PyModule_GetState(module))->tables;
}

static PyObject *py_lane_gains(PyObject *module, PyObject *args) {
    PyObject *o[8];
    buffers held = {.n = 0};
    int64_t n_codes = 0, n = 0, n_channels = 0, n_values = 0;
    int error = 0;
    if (!PyArg_ParseTuple(args, "OOOOOOOO:lane_gains", &o[0], &o[1], &o[2], &o[3], &o[4], &o[5], &o[6], &o[7]))
        return 0;
    int32_t *codes = take(&held, o[0], "i", 4, 0, &n_codes);
    int32_t *length = take(&held, o[2], "i", 4, 0, &n);
    int64_t *start = take_exactly(&held, o[1], "i", 8, 0, n);
    int32_t *channel = take_exactly(&held, o[3], "i", 4, 0, n);
    int64_t *size = take(&held, o[4], "i", 8, 0, &n_channels);
    uint8_t *profiled = take_exactly(&held, o[5], "?u", 1, 0, n_channels);
    int32_t *values = take(&held, o[6], "i", 4, 0, &n_values);
    uint8_t *gains = take_exactly(&held, o[7], "u", 1, 1, n);
    if (!held.failed) {
        Py_BEGIN_ALLOW_THREADS
        error = spikey_lane_gains(tables_of(module), codes, n_codes, start, length, channel, n, size, profiled,
                                  n_channels, values, n_values, gains);
        Py_END_ALLOW_THREADS
    }
    return outcome(&held, error);
}

static PyObject *py_encode_lane_headers(PyObject *module, PyObject *args) {
    PyObject *gains, *initial_codes, *stream = 0;
    int size;
    buffers held = {.n = 0};
    int64_t n = 0, used = 0;
    if (!PyArg_ParseTuple(args, "OOi:encode_lane_headers", &gains, &initial_codes, &size)) return 0;
    uint8_t *gain = take(&held, gains, "u", 1, 0, &n);
    int32_t *first = take_exactly(&held, initial_codes, "i", 4, 0, n);
    if (in_range(&held, size, 1, SPIKEY_MAX_SIZE) && in_range(&held, n, 1, INT32_MAX)) {
        uint8_t *bytes = PyMem_Malloc((size_t)spikey_lane_headers_room(n));
        if (!bytes) {
            PyErr_NoMemory();
        } else {
            used = spikey_encode_lane_headers(tables_of(module), gain, first, n, size, bytes);
            stream = used < 0 ? raise_error((int)used) : PyBytes_FromStringAndSize((char *)bytes, (Py_ssize_t)used);
            PyMem_Free(bytes);
        }
    }
    give_back(&held);
    return stream;
}

static PyObject *py_decode_lane_headers(PyObject *module, PyObject *args) {
    PyObject *stream, *gains, *initial_codes;
    int size;
    buffers held = {.n = 0};
    int64_t n_bytes = 0, n = 0, used = 0;
    if (!PyArg_ParseTuple(args, "OiOO:decode_lane_headers", &stream, &size, &gains, &initial_codes)) return 0;
    uint8_t *bytes = take(&held, stream, "u", 1, 0, &n_bytes);
    uint8_t *gain = take(&held, gains, "u", 1, 1, &n);
    int32_t *first = take_exactly(&held, initial_codes, "i", 4, 1, n);
    if (in_range(&held, size, 1, SPIKEY_MAX_SIZE))
        used = spikey_decode_lane_headers(tables_of(module), bytes, n_bytes, n, size, gain, first);
    int failed = held.failed;
    give_back(&held);
    return failed ? 0 : PyLong_FromLongLong(used);
}

/* ---- messages ---- */

enum { MAX_ROWS = 1 << 20 }; /* of latents: sizes of messages fit an int64 */

static PyObject *py_gather_messages(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *o[6];
    buffers held = {.n = 0};
    int64_t n = 0, n_lanes = 0, n_latent = 0;
    int error = 0;
    if (!PyArg_ParseTuple(args, "OOOOOO:gather_messages", &o[0], &o[1], &o[2], &o[3], &o[4], &o[5])) return 0;
    int64_t *receiver = take(&held, o[0], "i", 8, 0, &n);
    int64_t *sender = take_exactly(&held, o[1], "i", 8, 0, n);
    float *metric = take_exactly(&held, o[2], "f", 4, 0, n);
    float *latent = take(&held, o[3], "f", 4, 0, &n_latent);
    int32_t *normalised_error = take(&held, o[4], "i", 4, 0, &n_lanes);
    if (in_range(&held, n_lanes, 1, INT32_MAX) && in_range(&held, n_latent % n_lanes, 0, 0)) {
        int64_t rows = n_latent / n_lanes;
        float *messages = 0;
        if (in_range(&held, rows, 0, MAX_ROWS)) messages = take_exactly(&held, o[5], "f", 4, 1, (2 * rows + 2) * n);
        if (!held.failed)
            EXACTLY(error = spikey_gather_messages(receiver, sender, metric, n, latent, rows, n_lanes, normalised_error,
                                                   messages));
    }
    return outcome(&held, error);
}

static PyObject *py_join_regions(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *o[5];
    long long first_lane;
    int is_residual, error = 0;
    buffers held = {.n = 0};
    int64_t n = 0, n_lanes = 0, n_latent = 0, n_joined = 0;
    if (!PyArg_ParseTuple(args, "LOOOOpO:join_regions", &first_lane, &o[0], &o[1], &o[2], &o[3], &is_residual, &o[4]))
        return 0;
    int64_t *receiver = take(&held, o[0], "i", 8, 0, &n);
    int64_t *share = take(&held, o[1], "i", 8, 0, &n_lanes);
    float *latent = take(&held, o[3], "f", 4, 0, &n_latent);
    float *joined = take(&held, o[4], "f", 4, 1, &n_joined);
    if (in_range(&held, n_lanes, 1, INT32_MAX) && in_range(&held, n_latent, n_lanes, INT64_MAX) &&
        in_range(&held, n_latent % n_lanes, 0, 0)) {
        int64_t rows = n_latent / n_lanes;
        float *region = 0;
        if (in_range(&held, rows, 1, MAX_ROWS)) region = take_exactly(&held, o[2], "f", 4, 0, rows * n);
        if (in_range(&held, n_joined % rows, 0, 0))
            EXACTLY(error = spikey_join_regions(first_lane, receiver, share, n, region, latent, rows, n_lanes, is_residual,
                                                joined, n_joined / rows));
    }
    return outcome(&held, error);
}

static PyObject *py_simd(PyObject *module, PyObject *args) {
    (void)module, (void)args;
    PyObject *list = PyList_New(0);
    for (int i = 0; list && spikey_simd_name(i); i++) {
        PyObject *text = PyUnicode_FromString(spikey_simd_name(i));
        if (!text || PyList_Append(list, text) < 0) {
            Py_XDECREF(text);
            Py_CLEAR(list);
            break;
        }
        Py_DECREF(text);
    }
    return list;
}

static PyObject *py_tables(PyObject *module, PyObject *args) {
    (void)args;
    PyObject *tables = PyDict_New();
    const char *name;
    const void *data;
    int64_t n = 0;
    for (int i = 0; tables && (data = spikey_table(tables_of(module), i, &name, &n)) != 0; i++) {
        PyObject *bytes = PyBytes_FromStringAndSize(data, (Py_ssize_t)n);
        if (!bytes || PyDict_SetItemString(tables, name, bytes) < 0) Py_CLEAR(tables);
        Py_XDECREF(bytes);
    }
    return tables;
}

/* ---- Network ---- */

typedef struct {
    PyObject_HEAD
    spikey_network *network;
} network_object;

static void dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *allocate(PyTypeObject *type) {
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    return alloc(type, 0);
}

static PyObject *network_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    (void)keywords;
    PyObject *o[6];
    buffers held = {.n = 0};
    int64_t n = 0, n_weight = 0, n_bias = 0;
    if (!PyArg_ParseTuple(args, "OOOOOO:Network", &o[0], &o[1], &o[2], &o[3], &o[4], &o[5])) return 0;
    int64_t *size = take(&held, o[0], "i", 8, 0, &n);
    n /= 2;
    float *weight = take(&held, o[1], "f", 4, 0, &n_weight);
    float *bias = take(&held, o[2], "f", 4, 0, &n_bias);
    uint8_t *floored = take_exactly(&held, o[3], "?u", 1, 0, n);
    float *low = take_exactly(&held, o[4], "f", 4, 0, n);
    float *high = take_exactly(&held, o[5], "f", 4, 0, n);
    network_object *self = 0;
    if (in_range(&held, n, 1, 64)) self = (network_object *)allocate(type);
    if (self) {
        EXACTLY(self->network = spikey_network_new((int)n, size, weight, n_weight, bias, n_bias, floored, low, high));
        if (!self->network) {
            raise_error(SPIKEY_BAD_ARGUMENT);
            Py_CLEAR(self);
        }
    }
    give_back(&held);
    return (PyObject *)self;
}

static void network_dealloc(PyObject *self) {
    spikey_network_free(((network_object *)self)->network);
    dealloc(self);
}

static PyObject *network_run(PyObject *self, PyObject *args) {
    PyObject *windows, *outputs;
    const spikey_network *network = ((network_object *)self)->network;
    buffers held = {.n = 0};
    int64_t n = 0, n_outputs = 0;
    int error = 0;
    const char *simd;
    if (!PyArg_ParseTuple(args, "OOz:run", &windows, &outputs, &simd)) return 0;
    float *from = take(&held, windows, "f", 4, 0, &n);
    float *to = take(&held, outputs, "f", 4, 1, &n_outputs);
    if (in_range(&held, n % spikey_network_window(network), 0, 0)) {
        n /= spikey_network_window(network);
        if (in_range(&held, n_outputs, 3 * n, 3 * n)) {
            Py_BEGIN_ALLOW_THREADS
            EXACTLY(error = spikey_network_run(network, from, n, to, simd));
            Py_END_ALLOW_THREADS
        }
    }
    return outcome(&held, error);
}

static PyObject *network_window(PyObject *self, void *unused) {
    (void)unused;
    return PyLong_FromLongLong(spikey_network_window(((network_object *)self)->network));
}

static PyObject *network_is_integer(PyObject *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(spikey_network_is_integer(((network_object *)self)->network));
}

static PyMethodDef network_methods[] = {
    {"run", network_run, METH_VARARGS, "run(windows, outputs, simd): outputs float32 [3, n] for windows float32 [window, n]"},
    {0, 0, 0, 0}};
static PyGetSetDef network_attributes[] = {{"window", network_window, 0, "Rows of the windows.", 0},
                                           {"is_integer", network_is_integer, 0, "Whether it runs in integers.", 0},
                                           {0, 0, 0, 0, 0}};
static PyType_Slot network_slots[] = {{Py_tp_new, (void *)network_new},
                                      {Py_tp_dealloc, (void *)network_dealloc},
                                      {Py_tp_methods, network_methods},
                                      {Py_tp_getset, network_attributes},
                                      {0, 0}};
static PyType_Spec network_spec = {"spikey_cli.core._core.Network", sizeof(network_object), 0, Py_TPFLAGS_DEFAULT,
                                   network_slots};

/* ---- Coder ---- */

typedef struct {
    PyObject_HEAD
    spikey_coder *coder;
    int busy;
} coder_object;

static module_state *state_of_type(PyTypeObject *type) { return PyType_GetModuleState(type); }

static PyObject *coder_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    (void)keywords;
    PyObject *o[5];
    int kind, decodes, error = 0;
    long long n_steps;
    buffers held = {.n = 0};
    spikey_coding coding = {.n_streams = 0};
    if (!PyArg_ParseTuple(args, "ipOOOOOL:Coder", &kind, &decodes, &o[0], &o[1], &o[2], &o[3], &o[4], &n_steps))
        return 0;
    coding.size = take(&held, o[1], "i", 8, 0, &coding.n_streams);
    coding.first_lane = take_exactly(&held, o[0], "i", 8, 0, coding.n_streams + 1);
    coding.profiled = take_exactly(&held, o[2], "?u", 1, 0, coding.n_streams);
    coding.edges = take(&held, o[3], "i", 4, 0, &coding.n_edges);
    coding.length = take(&held, o[4], "i", 4, 0, &coding.n_lanes);
    coding.n_steps = n_steps;
    coding.decodes = decodes;
    coder_object *self = 0;
    if (in_range(&held, kind, SPIKEY_RANGE, SPIKEY_RANKS)) self = (coder_object *)allocate(type);
    if (self) {
        coding.kind = (spikey_coder_kind)kind;
        self->coder = spikey_coder_new(state_of_type(type)->tables, &coding, &error);
        if (!self->coder) raise_error(error);
        if (!self->coder) Py_CLEAR(self);
    }
    give_back(&held);
    return (PyObject *)self;
}

static void coder_dealloc(PyObject *self) {
    spikey_coder_free(((coder_object *)self)->coder);
    dealloc(self);
}

/* A coder that no other thread uses. */
static spikey_coder *idle_coder(PyObject *self) {
    if (!((coder_object *)self)->busy) return ((coder_object *)self)->coder;
    PyErr_SetString(PyExc_RuntimeError, "the coder is in use by another thread");
    return 0;
}

/* The same, once all arguments are taken: taking one may run any code, in other threads too. */
static int coder_is_idle(buffers *held, PyObject *self) {
    if (!held->failed && !idle_coder(self)) held->failed = 1;
    return !held->failed;
}

static PyObject *coder_restart(PyObject *self, PyObject *args) {
    long long n_steps;
    spikey_coder *coder = 0;
    if (!PyArg_ParseTuple(args, "L:restart", &n_steps) || !(coder = idle_coder(self))) return 0;
    int error = spikey_coder_restart(coder, n_steps);
    if (error) return raise_error(error);
    Py_RETURN_NONE;
}

static PyObject *coder_open(PyObject *self, PyObject *args) {
    PyObject *bytes, *first;
    buffers held = {.n = 0};
    int64_t n_bytes = 0;
    int error = 0;
    spikey_coder *coder = ((coder_object *)self)->coder;
    if (!PyArg_ParseTuple(args, "OO:open", &bytes, &first)) return 0;
    uint8_t *from = take(&held, bytes, "u", 1, 0, &n_bytes);
    int64_t *firsts = take_exactly(&held, first, "i", 8, 0, spikey_coder_streams(coder) + 1);
    if (coder_is_idle(&held, self)) {
        if (firsts[0] < 0 || firsts[spikey_coder_streams(coder)] > n_bytes)
            error = SPIKEY_BAD_ARGUMENT;
        else
            error = spikey_coder_open(coder, from, firsts);
    }
    return outcome(&held, error);
}

static PyObject *coder_finish(PyObject *self, PyObject *args) {
    (void)args;
    spikey_coder *coder = idle_coder(self);
    if (!coder) return 0;
    int64_t n = spikey_coder_streams(coder);
    PyObject *list = PyList_New((Py_ssize_t)n);
    int64_t *sizes = PyMem_Malloc((size_t)n * sizeof *sizes);
    if (!list || !sizes) {
        Py_XDECREF(list);
        PyMem_Free(sizes);
        return PyErr_NoMemory();
    }
    spikey_coder_close(coder, sizes);
    for (int64_t i = 0; i < n; i++) {
        PyObject *stream = PyBytes_FromStringAndSize(0, (Py_ssize_t)sizes[i]);
        if (!stream || PyList_SetItem(list, (Py_ssize_t)i, stream) < 0) {
            Py_CLEAR(list);
            break;
        }
        spikey_coder_stream(coder, i, (uint8_t *)PyBytes_AsString(stream));
    }
    PyMem_Free(sizes);
    return list;
}

static PyObject *coder_whole(PyObject *self, PyObject *args) {
    PyObject *whole;
    buffers held = {.n = 0};
    spikey_coder *coder = ((coder_object *)self)->coder;
    if (!PyArg_ParseTuple(args, "O:whole", &whole)) return 0;
    uint8_t *to = take_exactly(&held, whole, "?u", 1, 1, spikey_coder_streams(coder));
    if (coder_is_idle(&held, self)) spikey_coder_whole(coder, to);
    return outcome(&held, 0);
}

static PyObject *coder_ranks(PyObject *self, PyObject *args) {
    long long stream;
    int64_t n = 0;
    spikey_coder *coder = 0;
    if (!PyArg_ParseTuple(args, "L:ranks", &stream) || !(coder = idle_coder(self))) return 0;
    int32_t *ranks = spikey_coder_ranks(coder, stream, &n);
    if (!ranks) return raise_error(SPIKEY_BAD_ARGUMENT);
    return PyBytes_FromStringAndSize((char *)ranks, (Py_ssize_t)n * (Py_ssize_t)sizeof *ranks);
}

static PyObject *coder_set_ranks(PyObject *self, PyObject *args) {
    long long stream;
    PyObject *ranks;
    int64_t n = 0;
    buffers held = {.n = 0};
    spikey_coder *coder = 0;
    if (!PyArg_ParseTuple(args, "LO:set_ranks", &stream, &ranks) || !(coder = idle_coder(self))) return 0;
    int32_t *to = spikey_coder_ranks(coder, stream, &n);
    if (!to) return raise_error(SPIKEY_BAD_ARGUMENT);
    if (ranks == Py_None) {
        spikey_coder_damage(coder, stream);
        Py_RETURN_NONE;
    }
    int32_t *from = take_exactly(&held, ranks, "i", 4, 0, n);
    if (coder_is_idle(&held, self)) memcpy(to, from, (size_t)n * sizeof *to);
    return outcome(&held, 0);
}

static PyMethodDef coder_methods[] = {
    {"restart", coder_restart, METH_VARARGS, "restart(n_steps): new streams with room for so many steps"},
    {"open", coder_open, METH_VARARGS, "open(bytes, first): the streams of a decoder, bytes[first[i]:first[i + 1]]"},
    {"finish", coder_finish, METH_NOARGS, "finish(): the streams of an encoder"},
    {"whole", coder_whole, METH_VARARGS, "whole(out): whether each stream of a decoder was used up exactly"},
    {"ranks", coder_ranks, METH_VARARGS, "ranks(stream): the ranks that were collected, as bytes of int32"},
    {"set_ranks", coder_set_ranks, METH_VARARGS, "set_ranks(stream, ranks): those to decode; None: damaged"},
    {0, 0, 0, 0}};
static PyType_Slot coder_slots[] = {{Py_tp_new, (void *)coder_new},
                                    {Py_tp_dealloc, (void *)coder_dealloc},
                                    {Py_tp_methods, coder_methods},
                                    {0, 0}};
static PyType_Spec coder_spec = {"spikey_cli.core._core.Coder", sizeof(coder_object), 0, Py_TPFLAGS_DEFAULT,
                                 coder_slots};

/* ---- State ---- */

typedef struct {
    PyObject_HEAD
    spikey_state *state;
    PyObject *network;
    buffers log; /* held as long as the state may write to them */
    int busy;
} state_object;

/* The arrays of a log: mass, rest, residual, corrected, normalised error. */
static void take_log(buffers *held, PyObject *arrays, spikey_log *log) {
    PyObject *a[5];
    if (!PyTuple_Check(arrays) || !PyArg_ParseTuple(arrays, "OOOOO:log", &a[0], &a[1], &a[2], &a[3], &a[4])) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "a log is a tuple of five arrays");
        held->failed = 1;
        return;
    }
    log->mass = take(held, a[0], "i", 4, 1, &log->n);
    log->raw_bits = take_exactly(held, a[1], "u", 1, 1, log->n);
    log->residual = take_exactly(held, a[2], "i", 4, 1, log->n);
    log->corrected = take_exactly(held, a[3], "i", 2, 1, log->n);
    log->normalised_error = take_exactly(held, a[4], "i", 2, 1, log->n);
}

static PyObject *state_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    (void)keywords;
    PyObject *o[13], *network, *log;
    long long window;
    int effort, gains_follow, plain, error = 0;
    const char *simd;
    buffers held = {.n = 0};
    spikey_group group = {.n_channels = 0};
    int64_t n_passes = 0;
    if (!PyArg_ParseTuple(args, "OOOOOOOOOOOOOLOipOzp:State", &o[0], &o[1], &o[2], &o[3], &o[4], &o[5], &o[6], &o[7], &o[8],
                          &o[9], &o[10], &o[11], &o[12], &window, &network, &effort, &gains_follow, &log, &simd, &plain))
        return 0;
    PyObject *network_type = state_of_type(type)->network_type;
    if (network != Py_None && (PyObject *)Py_TYPE(network) != network_type) {
        PyErr_SetString(PyExc_TypeError, "the network must be a Network or None");
        return 0;
    }
    group.size = take(&held, o[6], "i", 8, 0, &group.n_channels);
    group.first_lane = take_exactly(&held, o[0], "i", 8, 0, group.n_channels + 1);
    group.pass_channel = take(&held, o[1], "i", 8, 0, &n_passes);
    group.references = take_exactly(&held, o[2], "i", 8, 0, group.n_channels * SPIKEY_MAX_REFERENCES);
    group.later = take_exactly(&held, o[3], "i", 8, 0, group.n_channels * SPIKEY_MAX_LATER);
    group.lags = take_exactly(&held, o[4], "i", 8, 0, group.n_channels);
    group.mean_group = take_exactly(&held, o[5], "i", 8, 0, group.n_channels);
    group.profiled = take_exactly(&held, o[7], "?u", 1, 0, group.n_channels);
    group.edges = take(&held, o[8], "i", 4, 0, &group.n_edges);
    group.length = take(&held, o[9], "i", 4, 0, &group.n_lanes);
    group.start = take_exactly(&held, o[10], "i", 8, 0, group.n_lanes);
    group.gains = take_exactly(&held, o[11], "u", 1, 0, group.n_lanes);
    group.initial_codes = take_exactly(&held, o[12], "i", 4, 0, group.n_lanes);
    group.n_passes = n_passes - 1;
    group.window = window;
    group.network = network == Py_None ? 0 : ((network_object *)network)->network;
    group.effort = (spikey_effort)effort;
    group.gains_follow = gains_follow;
    group.simd = simd;
    group.plain = plain;
    state_object *self = held.failed ? 0 : (state_object *)allocate(type);
    if (self && log != Py_None) take_log(&self->log, log, &group.log);
    if (self && !self->log.failed) {
        EXACTLY(self->state = spikey_state_new(state_of_type(type)->tables, &group, &error));
        if (!self->state) raise_error(error);
    }
    if (self && self->state) {
        Py_INCREF(network);
        self->network = network;
    } else {
        Py_CLEAR(self);
    }
    give_back(&held);
    return (PyObject *)self;
}

static void state_dealloc(PyObject *self) {
    spikey_state_free(((state_object *)self)->state);
    give_back(&((state_object *)self)->log);
    Py_XDECREF(((state_object *)self)->network);
    dealloc(self);
}

static spikey_state *idle_state(PyObject *self) {
    if (!((state_object *)self)->busy) return ((state_object *)self)->state;
    PyErr_SetString(PyExc_RuntimeError, "the state is in use by another thread");
    return 0;
}

static int state_is_idle(buffers *held, PyObject *self) {
    if (!held->failed && !idle_state(self)) held->failed = 1;
    return !held->failed;
}

/* The coder of an argument. */
static spikey_coder *coder_for(PyObject *self, PyObject *coder) {
    if ((PyObject *)Py_TYPE(coder) != state_of_type(Py_TYPE(self))->coder_type) {
        PyErr_SetString(PyExc_TypeError, "the coder must be a Coder");
        return 0;
    }
    return ((coder_object *)coder)->coder;
}

static PyObject *state_take(PyObject *self, PyObject *args) {
    PyObject *coder_argument, *codes;
    int by_step, error = 0;
    long long n_steps;
    buffers held = {.n = 0};
    int64_t n = 0;
    if (!PyArg_ParseTuple(args, "OOpL:take", &coder_argument, &codes, &by_step, &n_steps)) return 0;
    spikey_coder *coder = coder_for(self, coder_argument);
    if (!coder) return 0;
    int32_t *to = take(&held, codes, "i", 4, spikey_coder_decodes(coder), &n);
    if (state_is_idle(&held, self) && coder_is_idle(&held, coder_argument)) {
        spikey_state *state = ((state_object *)self)->state;
        ((state_object *)self)->busy = ((coder_object *)coder_argument)->busy = 1;
        Py_BEGIN_ALLOW_THREADS
        EXACTLY(error = spikey_take_steps(state, coder, to, n, by_step, n_steps));
        Py_END_ALLOW_THREADS
        ((state_object *)self)->busy = ((coder_object *)coder_argument)->busy = 0;
    }
    return outcome(&held, error);
}

static PyObject *state_take_passes(PyObject *self, PyObject *args) {
    PyObject *coder_argument, *outputs, *codes;
    int by_step, error = 0;
    long long first_pass, stop_pass;
    buffers held = {.n = 0};
    int64_t n = 0;
    if (!PyArg_ParseTuple(args, "OOLLOp:take_passes", &coder_argument, &outputs, &first_pass, &stop_pass, &codes,
                          &by_step))
        return 0;
    spikey_coder *coder = coder_for(self, coder_argument);
    if (!coder) return 0;
    spikey_state *state = ((state_object *)self)->state;
    int32_t *to = take(&held, codes, "i", 4, spikey_coder_decodes(coder), &n);
    float *from = take_exactly(&held, outputs, "f", 4, 0, 3 * spikey_state_lanes(state));
    if (state_is_idle(&held, self) && coder_is_idle(&held, coder_argument)) {
        ((state_object *)self)->busy = ((coder_object *)coder_argument)->busy = 1;
        Py_BEGIN_ALLOW_THREADS
        EXACTLY(error = spikey_take_passes(state, coder, from, first_pass, stop_pass, to, n, by_step));
        Py_END_ALLOW_THREADS
        ((state_object *)self)->busy = ((coder_object *)coder_argument)->busy = 0;
    }
    return outcome(&held, error);
}

static PyObject *state_code(PyObject *self, PyObject *args) {
    PyObject *coder_argument, *o[4];
    int error = 0;
    buffers held = {.n = 0};
    if (!PyArg_ParseTuple(args, "OOOOO:code", &coder_argument, &o[0], &o[1], &o[2], &o[3])) return 0;
    spikey_coder *coder = coder_for(self, coder_argument);
    if (!coder) return 0;
    spikey_state *state = ((state_object *)self)->state;
    int64_t n = spikey_state_lanes(state);
    int32_t *mean = take_exactly(&held, o[0], "i", 4, 0, n);
    int32_t *scale = take_exactly(&held, o[1], "i", 4, 0, n);
    int32_t *weight = take_exactly(&held, o[2], "i", 4, 0, n);
    int32_t *codes = take_exactly(&held, o[3], "i", 4, spikey_coder_decodes(coder), n);
    if (state_is_idle(&held, self) && coder_is_idle(&held, coder_argument))
        EXACTLY(error = spikey_code_step(state, coder, mean, scale, weight, codes));
    return outcome(&held, error);
}

static PyObject *state_initial_codes(PyObject *self, PyObject *args) {
    PyObject *codes;
    buffers held = {.n = 0};
    int64_t n = 0;
    int error = 0;
    spikey_state *state = ((state_object *)self)->state;
    if (!PyArg_ParseTuple(args, "O:initial_codes", &codes)) return 0;
    int32_t *to = take(&held, codes, "i", 4, 1, &n);
    if (state_is_idle(&held, self)) EXACTLY(error = spikey_initial_codes(state, to, n));
    return outcome(&held, error);
}

static PyObject *state_gains(PyObject *self, PyObject *args) {
    PyObject *gains;
    buffers held = {.n = 0};
    spikey_state *state = ((state_object *)self)->state;
    if (!PyArg_ParseTuple(args, "O:gains", &gains)) return 0;
    uint8_t *to = take_exactly(&held, gains, "u", 1, 1, spikey_state_lanes(state));
    if (state_is_idle(&held, self)) spikey_state_gains(state, to);
    return outcome(&held, 0);
}

static PyObject *state_windows(PyObject *self, PyObject *args) {
    PyObject *windows;
    buffers held = {.n = 0};
    spikey_state *state = ((state_object *)self)->state;
    if (!PyArg_ParseTuple(args, "O:windows", &windows)) return 0;
    float *to = take_exactly(&held, windows, "f", 4, 1, spikey_state_window(state) * spikey_state_lanes(state));
    if (state_is_idle(&held, self)) spikey_state_windows(state, to);
    return outcome(&held, 0);
}

static PyObject *state_errors(PyObject *self, PyObject *args) {
    PyObject *errors;
    buffers held = {.n = 0};
    spikey_state *state = ((state_object *)self)->state;
    if (!PyArg_ParseTuple(args, "O:normalised_errors", &errors)) return 0;
    int32_t *to = take_exactly(&held, errors, "i", 4, 1, spikey_state_lanes(state));
    if (state_is_idle(&held, self)) spikey_state_normalised_errors(state, to);
    return outcome(&held, 0);
}

static PyObject *state_step(PyObject *self, void *unused) {
    (void)unused;
    return PyLong_FromLongLong(spikey_state_step(((state_object *)self)->state));
}

static int state_set_step(PyObject *self, PyObject *value, void *unused) {
    (void)unused;
    long long step = value ? PyLong_AsLongLong(value) : 0;
    spikey_state *state = idle_state(self);
    if (!state || PyErr_Occurred()) return -1;
    int error = spikey_state_set_step(state, step);
    if (error) raise_error(error);
    return error ? -1 : 0;
}

static PyObject *state_is_vector(PyObject *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(spikey_state_is_vector(((state_object *)self)->state));
}

static PyMethodDef state_methods[] = {
    {"take", state_take, METH_VARARGS, "take(coder, codes, by_step, n_steps): take steps of all lanes"},
    {"take_passes", state_take_passes, METH_VARARGS,
     "take_passes(coder, outputs, first_pass, stop_pass, codes, by_step): one step of some passes"},
    {"code", state_code, METH_VARARGS,
     "code(coder, predicted_mean, log2_scale, outlier_weight, codes): code a step under given predictions"},
    {"initial_codes", state_initial_codes, METH_VARARGS, "initial_codes(codes): set each lane's first code"},
    {"gains", state_gains, METH_VARARGS, "gains(out): gains of all lanes as they are now"},
    {"windows", state_windows, METH_VARARGS, "windows(out): float32 [window, lanes] before the next step"},
    {"normalised_errors", state_errors, METH_VARARGS, "normalised_errors(out): those of the step that is being taken"},
    {0, 0, 0, 0}};
static PyGetSetDef state_attributes[] = {
    {"step", state_step, state_set_step, "The step to take next.", 0},
    {"is_vector", state_is_vector, 0, "Whether vectors of proven bounds run it.", 0},
    {0, 0, 0, 0, 0}};
static PyType_Slot state_slots[] = {{Py_tp_new, (void *)state_new},
                                    {Py_tp_dealloc, (void *)state_dealloc},
                                    {Py_tp_methods, state_methods},
                                    {Py_tp_getset, state_attributes},
                                    {0, 0}};
static PyType_Spec state_spec = {"spikey_cli.core._core.State", sizeof(state_object), 0, Py_TPFLAGS_DEFAULT,
                                 state_slots};

/* ---- the module ---- */

static PyMethodDef module_methods[] = {
    {"residuals", py_residuals, METH_VARARGS, "residuals(samples, n_channels, residuals): int8 [channel, frame]"},
    {"mark", py_mark, METH_VARARGS, "mark(samples, lowest, seen): set the flag of each sample"},
    {"uniform_codes", py_uniform_codes, METH_VARARGS, "uniform_codes(samples, offset, step, size, codes)"},
    {"uniform_samples", py_uniform_samples, METH_VARARGS, "uniform_samples(codes, offset, step, size, samples)"},
    {"table_codes", py_table_codes, METH_VARARGS, "table_codes(samples, lowest, code_of, codes)"},
    {"table_samples", py_table_samples, METH_VARARGS, "table_samples(codes, values, samples)"},
    {"scaled", py_scaled, METH_VARARGS, "scaled(integers, kind, gain, offset, base, step, type, samples)"},
    {"unscaled", py_unscaled, METH_VARARGS,
     "unscaled(samples, kind, gain, offset, base, step, type, lowest, highest, integers) -> exceptions"},
    {"pack", py_pack, METH_VARARGS, "pack(codes, width): bytes"},
    {"unpack", py_unpack, METH_VARARGS, "unpack(stream, width, size, codes)"},
    {"lane_gains", py_lane_gains, METH_VARARGS,
     "lane_gains(codes, start, length, channel, size, profiled, values, gains)"},
    {"encode_lane_headers", py_encode_lane_headers, METH_VARARGS, "encode_lane_headers(gains, initial_codes, size)"},
    {"decode_lane_headers", py_decode_lane_headers, METH_VARARGS,
     "decode_lane_headers(stream, size, gains, initial_codes): bytes used"},
    {"gather_messages", py_gather_messages, METH_VARARGS,
     "gather_messages(receiver, sender, metric, latent, normalised_error, messages)"},
    {"join_regions", py_join_regions, METH_VARARGS,
     "join_regions(first_lane, receiver, share, region, latent, is_residual, joined)"},
    {"tables", py_tables, METH_NOARGS, "tables(): the constant tables by name, as bytes"},
    {"simd", py_simd, METH_NOARGS, "simd(): names of the instruction sets that this machine has, best first"},
    {0, 0, 0, 0}};

static int module_exec(PyObject *module) {
    module_state *state = PyModule_GetState(module);
    if (!spikey_is_exact()) {
        PyErr_SetString(PyExc_ImportError, "Spikey's core was compiled with fused multiply-adds, which change what it "
                                           "decodes; compile it with -ffp-contract=off");
        return -1;
    }
    state->tables = PyMem_Malloc((size_t)spikey_tables_size());
    if (!state->tables) {
        PyErr_NoMemory();
        return -1;
    }
    spikey_fill_tables(state->tables);
    state->network_type = PyType_FromModuleAndSpec(module, &network_spec, 0);
    state->coder_type = PyType_FromModuleAndSpec(module, &coder_spec, 0);
    state->state_type = PyType_FromModuleAndSpec(module, &state_spec, 0);
    if (!state->network_type || !state->coder_type || !state->state_type) return -1;
    if (PyModule_AddObjectRef(module, "Network", state->network_type) < 0 ||
        PyModule_AddObjectRef(module, "Coder", state->coder_type) < 0 ||
        PyModule_AddObjectRef(module, "State", state->state_type) < 0)
        return -1;
    return 0;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg) {
    module_state *state = PyModule_GetState(module);
    Py_VISIT(state->network_type);
    Py_VISIT(state->coder_type);
    Py_VISIT(state->state_type);
    return 0;
}

static int module_clear(PyObject *module) {
    module_state *state = PyModule_GetState(module);
    Py_CLEAR(state->network_type);
    Py_CLEAR(state->coder_type);
    Py_CLEAR(state->state_type);
    return 0;
}

static void module_free(void *module) {
    module_state *state = PyModule_GetState(module);
    module_clear(module);
    PyMem_Free(state->tables);
    state->tables = 0;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, (void *)module_exec}, {0, 0}};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_core",
    .m_doc = "The integer arithmetic of Spikey's format; see core/c/spikey.h.",
    .m_size = sizeof(module_state),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC PyInit__core(void) { return PyModuleDef_Init(&definition); }
