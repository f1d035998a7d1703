/* The class Network. */

#include "module.h"

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
PyType_Spec spikey_network_spec = {"spikey_cli.core._core.Network", sizeof(network_object), 0, Py_TPFLAGS_DEFAULT,
                                   network_slots};
