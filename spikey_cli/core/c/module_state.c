/* The class State. */

#include "module.h"

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
    PyObject *o[14], *network, *log;
    long long window;
    int effort, gains_follow, plain, error = 0;
    const char *simd;
    buffers held = {.n = 0};
    spikey_group group = {.n_channels = 0};
    int64_t n_passes = 0;
    if (!PyArg_ParseTuple(args, "OOOOOOOOOOOOOOLOipOzp:State", &o[0], &o[1], &o[2], &o[3], &o[4], &o[5], &o[6], &o[7], &o[8],
                          &o[9], &o[10], &o[11], &o[12], &o[13], &window, &network, &effort, &gains_follow, &log, &simd, &plain))
        return 0;
    PyObject *network_type = state_of_type(type)->network_type;
    if (network != Py_None && (PyObject *)Py_TYPE(network) != network_type) {
        PyErr_SetString(PyExc_TypeError, "the network must be a Network or None");
        return 0;
    }
    group.size = take(&held, o[7], "i", 8, 0, &group.n_channels);
    group.first_lane = take_exactly(&held, o[0], "i", 8, 0, group.n_channels + 1);
    group.pass_channel = take(&held, o[1], "i", 8, 0, &n_passes);
    group.references = take_exactly(&held, o[2], "i", 8, 0, group.n_channels * SPIKEY_MAX_REFERENCES);
    group.later = take_exactly(&held, o[3], "i", 8, 0, group.n_channels * SPIKEY_MAX_LATER);
    group.lags = take_exactly(&held, o[4], "i", 8, 0, group.n_channels);
    group.orders = take_exactly(&held, o[5], "i", 8, 0, group.n_channels);
    group.mean_group = take_exactly(&held, o[6], "i", 8, 0, group.n_channels);
    group.profiled = take_exactly(&held, o[8], "?u", 1, 0, group.n_channels);
    group.edges = take(&held, o[9], "i", 4, 0, &group.n_edges);
    group.length = take(&held, o[10], "i", 4, 0, &group.n_lanes);
    group.start = take_exactly(&held, o[11], "i", 8, 0, group.n_lanes);
    group.gains = take_exactly(&held, o[12], "u", 1, 0, group.n_lanes);
    group.initial_codes = take_exactly(&held, o[13], "i", 4, 0, group.n_lanes);
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
PyType_Spec spikey_state_spec = {"spikey_cli.core._core.State", sizeof(state_object), 0, Py_TPFLAGS_DEFAULT,
                                 state_slots};
