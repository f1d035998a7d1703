/* The chunk decoder and encoder of libspikey in the Python module. Data may be any buffer of bytes; the interpreter's lock is released. */

#include <stdlib.h>

#include "module.h"

#include "chunk.h"

static PyObject *nothing_but(int error, const char *reason) {
    return error == SPIKEY_NO_MEMORY ? PyErr_NoMemory() : Py_BuildValue("iz", error, reason);
}

PyObject *spikey_module_describe_chunk(PyObject *module, PyObject *args) {
    PyObject *data, *shape = 0, *type = 0, *described = 0;
    spikey_limits limits;
    spikey_array array;
    buffers held = {.n = 0};
    int64_t n = 0;
    const char *reason = 0;
    (void)module;
    if (!PyArg_ParseTuple(args, "OLLLL:describe_chunk", &data, &limits.memory, &limits.expansion, &limits.array, &limits.expected))
        return 0;
    const void *bytes = take(&held, data, "u", 1, 0, &n);
    int error = SPIKEY_BAD_ARGUMENT;
    char *text = 0;
    if (!held.failed) {
        Py_BEGIN_ALLOW_THREADS
        error = spikey_describe(bytes, (size_t)n, &limits, &array, &reason);
        if (!error && array.type_length >= SPIKEY_TYPE && (text = calloc((size_t)array.type_length + 1, 1)))
            error = spikey_type(bytes, (size_t)n, &limits, text, (size_t)array.type_length + 1);
        Py_END_ALLOW_THREADS
    }
    int failed = held.failed;
    give_back(&held);
    if (!failed && !error && array.type_length >= SPIKEY_TYPE && !text) error = SPIKEY_NO_MEMORY;
    if (!failed && error) described = nothing_but(error, reason);
    else if (!failed) {
        shape = PyTuple_New(array.n_dimensions);
        type = PyUnicode_DecodeLatin1(text ? text : array.type, array.type_length, 0);
        for (int i = 0; shape && type && i < array.n_dimensions; i++)
            if (PyTuple_SetItem(shape, i, PyLong_FromLongLong(array.shape[i])) < 0) Py_CLEAR(shape);
        if (shape && type)
            described = Py_BuildValue("izOiOL", error, (char *)0, type, array.is_fortran, shape, (long long)array.bytes);
        Py_XDECREF(shape);
        Py_XDECREF(type);
    }
    free(text);
    return described;
}

PyObject *spikey_module_decode_chunk(PyObject *module, PyObject *args) {
    PyObject *data, *out;
    spikey_limits limits;
    buffers held = {.n = 0};
    int64_t n = 0, size = 0;
    const char *reason = 0;
    if (!PyArg_ParseTuple(args, "OLLLLO:decode_chunk", &data, &limits.memory, &limits.expansion, &limits.array,
                          &limits.expected, &out))
        return 0;
    const void *bytes = take(&held, data, "u", 1, 0, &n);
    void *memory = take(&held, out, "u", 1, 1, &size);
    const spikey_tables *tables = ((module_state *)PyModule_GetState(module))->tables;
    int error = SPIKEY_OK, failed = held.failed;
    if (!failed) {
        Py_BEGIN_ALLOW_THREADS
        error = spikey_decode_with(tables, bytes, (size_t)n, &limits, memory, (size_t)size, &reason);
        Py_END_ALLOW_THREADS
    }
    give_back(&held);
    return failed ? 0 : nothing_but(error, reason);
}

PyObject *spikey_module_encode_chunk(PyObject *module, PyObject *args) {
    PyObject *data, *shape, *result = 0;
    const char *type, *reason = 0;
    int is_fortran;
    spikey_encoding encoding;
    spikey_array array = {.n_dimensions = 0};
    buffers held = {.n = 0};
    uint8_t *chunk = 0;
    size_t n = 0;
    if (!PyArg_ParseTuple(args, "OspO!ss:encode_chunk", &data, &type, &is_fortran, &PyTuple_Type, &shape, &encoding.coder,
                          &encoding.preset))
        return 0;
    Py_ssize_t dimensions = PyTuple_Size(shape);
    for (Py_ssize_t i = 0; i < dimensions && i < SPIKEY_MAX_DIMENSIONS; i++) {
        array.shape[i] = PyLong_AsLongLong(PyTuple_GetItem(shape, i));
        if (array.shape[i] == -1 && PyErr_Occurred()) return 0;
    }
    array.n_dimensions = (int32_t)(dimensions < SPIKEY_MAX_DIMENSIONS ? dimensions : SPIKEY_MAX_DIMENSIONS);
    array.is_fortran = is_fortran;
    for (size_t i = 0; i + 1 < sizeof array.type && type[i]; i++) array.type[i] = type[i];
    const void *memory = take(&held, data, "u", 1, 0, &array.bytes);
    const spikey_tables *tables = ((module_state *)PyModule_GetState(module))->tables;
    int error = SPIKEY_OK, failed = held.failed;
    if (!failed) {
        Py_BEGIN_ALLOW_THREADS
        error = spikey_encode_with(tables, memory, &array, &encoding, &chunk, &n, &reason);
        Py_END_ALLOW_THREADS
    }
    give_back(&held);
    if (!failed && error == SPIKEY_NO_MEMORY) result = PyErr_NoMemory();
    else if (!failed) result = Py_BuildValue("izy#", error, reason, (const char *)chunk, (Py_ssize_t)n);
    free(chunk);
    return result;
}
