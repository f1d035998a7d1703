/* The core as a Python module. Its functions and classes check types and sizes of buffers, release the interpreter's lock,
 * set the floating-point arithmetic that coding needs, and raise errors. */

#include "module.h"

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
    state->network_type = PyType_FromModuleAndSpec(module, &spikey_network_spec, 0);
    state->coder_type = PyType_FromModuleAndSpec(module, &spikey_coder_spec, 0);
    state->state_type = PyType_FromModuleAndSpec(module, &spikey_state_spec, 0);
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
    .m_doc = "The integer arithmetic of Spikey's format; see core/c/core.h.",
    .m_size = sizeof(module_state),
    .m_methods = spikey_functions,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__core(void);

PyMODINIT_FUNC PyInit__core(void) { return PyModuleDef_Init(&definition); }
