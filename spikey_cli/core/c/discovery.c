/* Discovery. */

#include "encoder.h"

int spikey_find_topology(spikey_encoder *of) { return spikey_form_groups(&of->chunk); }
