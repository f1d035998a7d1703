/* The class Coder. */

#include "module.h"

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
PyType_Spec spikey_coder_spec = {"spikey_cli.core._core.Coder", sizeof(coder_object), 0, Py_TPFLAGS_DEFAULT,
                                 coder_slots};
