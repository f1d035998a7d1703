/* What the files of the Python module share: its state, and how they take arguments and give results. */

#ifndef SPIKEY_MODULE_H
#define SPIKEY_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

#include "exact_floats.h"
#include "core.h"

typedef struct {
    spikey_tables *tables;
    PyObject *network_type, *state_type, *coder_type;
} module_state;

static inline module_state *state_of_type(PyTypeObject *type) { return PyType_GetModuleState(type); }

typedef struct {
    PyObject_HEAD
    spikey_network *network;
} network_object;

typedef struct {
    PyObject_HEAD
    spikey_coder *coder;
    int busy;
} coder_object;

/* module_functions.c, module_network.c, module_coder.c, module_state.c */
extern PyMethodDef spikey_functions[];
PyObject *spikey_module_describe_chunk(PyObject *module, PyObject *args); /* module_chunk.c */
PyObject *spikey_module_decode_chunk(PyObject *module, PyObject *args);
PyObject *spikey_module_encode_chunk(PyObject *module, PyObject *args);
extern PyType_Spec spikey_network_spec, spikey_coder_spec, spikey_state_spec;

static inline PyObject *raise_error(int error) {
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

static inline void give_back(buffers *held) {
    while (held->n > 0) PyBuffer_Release(&held->view[--held->n]);
}

/* The kind of a format: i (signed), u (unsigned), f, d, ? (bool); 0 for any other. */
static inline char kind_of(const char *format) {
    if (!format) return 'u';
    if (*format == '@' || *format == '=' || *format == '<') format++;
    if (!*format || format[1]) return 0;
    if (strchr("bhilq", *format)) return 'i';
    if (strchr("BHILQ", *format)) return 'u';
    return strchr("fd?", *format) ? *format : 0;
}

/* A contiguous buffer of `kinds` and items of `item_size` bytes (0: any); its number of items in `n`. NULL, with an
 * exception set, if it is none. */
static inline void *take(buffers *held, PyObject *object, const char *kinds, Py_ssize_t item_size, int writable, int64_t *n) {
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
static inline void *take_exactly(buffers *held, PyObject *object, const char *kinds, Py_ssize_t item_size, int writable,
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
static inline void *take_samples(buffers *held, PyObject *object, int writable, int64_t *n, spikey_sample_type *type) {
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

static inline int in_range(buffers *held, long long number, long long low, long long high) {
    if (!held->failed && (number < low || number > high)) {
        PyErr_Format(PyExc_ValueError, "%lld is not in %lld..%lld", number, low, high);
        held->failed = 1;
    }
    return !held->failed;
}

static inline PyObject *boolean(buffers *held, int value) {
    int failed = held->failed;
    give_back(held);
    return failed ? 0 : PyBool_FromLong(value);
}

static inline PyObject *outcome(buffers *held, int error) {
    int failed = held->failed;
    give_back(held);
    if (failed) return 0;
    if (error) return raise_error(error);
    Py_RETURN_NONE;
}

static inline void dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static inline PyObject *allocate(PyTypeObject *type) {
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    return alloc(type, 0);
}

/* A coder that no other thread uses. */
static inline spikey_coder *idle_coder(PyObject *self) {
    if (!((coder_object *)self)->busy) return ((coder_object *)self)->coder;
    PyErr_SetString(PyExc_RuntimeError, "the coder is in use by another thread");
    return 0;
}

/* The same, once all arguments are taken: taking one may run any code, in other threads too. */
static inline int coder_is_idle(buffers *held, PyObject *self) {
    if (!held->failed && !idle_coder(self)) held->failed = 1;
    return !held->failed;
}

#endif
