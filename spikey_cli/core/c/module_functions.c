/* The functions of the Python module; see core.h. */

#include "module.h"

/* ---- residuals, quantizer and packed codes ---- */

static PyObject *py_transpose(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *rows, *columns;
    long long n_columns;
    buffers held = {.n = 0};
    int64_t n = 0;
    if (!PyArg_ParseTuple(args, "OLO:transpose", &rows, &n_columns, &columns)) return 0;
    void *from = take(&held, rows, "u", 0, 0, &n);
    if (!held.failed && in_range(&held, n_columns, 1, INT64_MAX) && in_range(&held, n % n_columns, 0, 0)) {
        const Py_ssize_t size = held.view[0].itemsize;
        void *to = take_exactly(&held, columns, "u", size, 1, n);
        if (!held.failed && in_range(&held, size & (size - 1), 0, 0) && in_range(&held, size, 1, 8)) {
            Py_BEGIN_ALLOW_THREADS
            spikey_transpose(from, n / n_columns, n_columns, size, to);
            Py_END_ALLOW_THREADS
        }
    }
    return outcome(&held, 0);
}

static PyObject *py_residuals(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *samples, *residuals, *gains;
    long long n_channels;
    buffers held = {.n = 0};
    int64_t n = 0;
    int error = 0;
    spikey_sample_type type = SPIKEY_UINT8;
    if (!PyArg_ParseTuple(args, "OLOO:residuals", &samples, &n_channels, &residuals, &gains)) return 0;
    void *from = take_samples(&held, samples, 0, &n, &type);
    if (in_range(&held, n_channels, 1, n) && in_range(&held, n % n_channels, 0, 0)) {
        int64_t n_frames = n / n_channels;
        int8_t *to = take_exactly(&held, residuals, "i", 1, 1, n);
        double *saved = take_exactly(&held, gains, "d", 8, 1, 2 * n_channels);
        if (!held.failed) {
            Py_BEGIN_ALLOW_THREADS
            EXACTLY(error = spikey_residuals(from, type, n_frames, n_channels, to, saved));
            Py_END_ALLOW_THREADS
        }
    }
    return outcome(&held, error);
}

static PyObject *py_find_step(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *integers;
    int has_palette, found = 0;
    int64_t n = 0, numerator = 0, denominator = 0, shift = 0;
    buffers held = {.n = 0};
    if (!PyArg_ParseTuple(args, "Op:find_step", &integers, &has_palette)) return 0;
    const int32_t *x = take(&held, integers, "i", 4, 0, &n);
    if (!held.failed) {
        Py_BEGIN_ALLOW_THREADS
        EXACTLY(found = spikey_find_step(x, n, has_palette, &numerator, &denominator, &shift));
        Py_END_ALLOW_THREADS
    }
    PyObject *none = outcome(&held, found < 0 ? found : 0);
    if (!none || !found) return none;
    Py_DECREF(none);
    return Py_BuildValue("LLL", (long long)numerator, (long long)denominator, (long long)shift);
}

static PyObject *py_mark(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *samples, *seen;
    int lowest;
    int32_t low = 0, high = 0;
    buffers held = {.n = 0};
    int64_t n = 0, n_seen = 0;
    spikey_sample_type type = SPIKEY_UINT8;
    if (!PyArg_ParseTuple(args, "OiO:mark", &samples, &lowest, &seen)) return 0;
    void *from = take_samples(&held, samples, 0, &n, &type);
    uint8_t *to = take(&held, seen, "u", 1, 1, &n_seen);
    if (!held.failed) {
        Py_BEGIN_ALLOW_THREADS
        spikey_mark(from, type, n, lowest, to, n_seen, &low, &high);
        Py_END_ALLOW_THREADS
    }
    give_back(&held);
    return held.failed ? 0 : Py_BuildValue("ii", low, high);
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
        !in_range(held, (long long)scaling->kind, SPIKEY_SCALE_INTEGER, SPIKEY_SCALE_UPPER_BITS))
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

static PyObject *py_pack_low_bits(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *integers, *low, *stream = 0;
    int type;
    buffers held = {.n = 0};
    int64_t n = 0;
    if (!PyArg_ParseTuple(args, "OiO:pack_low_bits", &integers, &type, &low)) return 0;
    int32_t *from = take(&held, integers, "i", 4, 0, &n);
    uint64_t *values = take_exactly(&held, low, "u", 8, 0, n);
    if (in_range(&held, type, SPIKEY_SAMPLE_FLOAT32, SPIKEY_SAMPLE_FLOAT64)) {
        stream = PyBytes_FromStringAndSize(0, (Py_ssize_t)((spikey_count_low_bits(from, n, (spikey_scaled_type)type) + 7) / 8));
        if (stream) spikey_put_low_bits(from, n, (spikey_scaled_type)type, values, (uint8_t *)PyBytes_AsString(stream));
    }
    give_back(&held);
    return stream;
}

static PyObject *py_count_low_bits(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *integers;
    int type;
    buffers held = {.n = 0};
    int64_t n = 0, bits = 0;
    if (!PyArg_ParseTuple(args, "Oi:count_low_bits", &integers, &type)) return 0;
    int32_t *from = take(&held, integers, "i", 4, 0, &n);
    if (in_range(&held, type, SPIKEY_SAMPLE_FLOAT32, SPIKEY_SAMPLE_FLOAT64))
        bits = spikey_count_low_bits(from, n, (spikey_scaled_type)type);
    int failed = held.failed;
    give_back(&held);
    return failed ? 0 : PyLong_FromLongLong(bits);
}

static PyObject *py_unpack_low_bits(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *stream, *integers, *low;
    int type;
    long long begin;
    buffers held = {.n = 0};
    int64_t n = 0, n_bytes = 0;
    if (!PyArg_ParseTuple(args, "OLOiO:unpack_low_bits", &stream, &begin, &integers, &type, &low)) return 0;
    const uint8_t *bytes = take(&held, stream, "u", 1, 0, &n_bytes);
    int32_t *from = take(&held, integers, "i", 4, 0, &n);
    uint64_t *values = take_exactly(&held, low, "u", 8, 1, n);
    if (in_range(&held, type, SPIKEY_SAMPLE_FLOAT32, SPIKEY_SAMPLE_FLOAT64) &&
        in_range(&held, begin + spikey_count_low_bits(from, n, (spikey_scaled_type)type), begin, 8 * n_bytes) &&
        in_range(&held, begin, 0, 8 * n_bytes)) {
        spikey_low_bits in = {.at = bytes + begin / 8, .end = bytes + n_bytes};
        if (begin % 8) in.window = *in.at++, in.held = 8 - (int)(begin % 8);
        spikey_take_low_bits(&in, from, n, (spikey_scaled_type)type, values);
    }
    return outcome(&held, SPIKEY_OK);
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

PyMethodDef spikey_functions[] = {
    {"transpose", py_transpose, METH_VARARGS, "transpose(rows, n_columns, columns): unsigned items"},
    {"residuals", py_residuals, METH_VARARGS, "residuals(samples, n_channels, residuals): int8 [channel, frame]"},
    {"find_step", py_find_step, METH_VARARGS, "find_step(integers, has_palette): numerator, denominator and shift, or None"},
    {"mark", py_mark, METH_VARARGS, "mark(samples, lowest, seen): set the flag of each sample; the least and the greatest sample"},
    {"uniform_codes", py_uniform_codes, METH_VARARGS, "uniform_codes(samples, offset, step, size, codes)"},
    {"uniform_samples", py_uniform_samples, METH_VARARGS, "uniform_samples(codes, offset, step, size, samples)"},
    {"table_codes", py_table_codes, METH_VARARGS, "table_codes(samples, lowest, code_of, codes)"},
    {"table_samples", py_table_samples, METH_VARARGS, "table_samples(codes, values, samples)"},
    {"scaled", py_scaled, METH_VARARGS, "scaled(integers, kind, gain, offset, base, step, type, samples)"},
    {"pack_low_bits", py_pack_low_bits, METH_VARARGS, "pack_low_bits(integers, type, low) -> bytes"},
    {"count_low_bits", py_count_low_bits, METH_VARARGS, "count_low_bits(integers, type) -> bits"},
    {"unpack_low_bits", py_unpack_low_bits, METH_VARARGS, "unpack_low_bits(stream, first_bit, integers, type, low)"},
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
    {"describe_chunk", spikey_module_describe_chunk, METH_VARARGS,
     "describe_chunk(data, memory, expansion, array, expected): error, reason; or 0, None, type, is_fortran, shape, bytes"},
    {"decode_chunk", spikey_module_decode_chunk, METH_VARARGS,
     "decode_chunk(data, memory, expansion, array, expected, out): error, reason"},
    {"encode_chunk", spikey_module_encode_chunk, METH_VARARGS,
     "encode_chunk(bytes, type, is_fortran, shape, coder, preset): error, reason, chunk"},
    {"simd", py_simd, METH_NOARGS, "simd(): names of the instruction sets that this machine has, best first"},
    {0, 0, 0, 0}};
