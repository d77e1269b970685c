/*
 * contract/digest: the id of a record that has none of its own.
 */
#ifndef CALLHISTORY_CONTRACT_DIGEST_H
#define CALLHISTORY_CONTRACT_DIGEST_H

#include "contract/contract.h"

/*
 * Makes an id of 22 characters from the tenant and all that the record says, so that the same record has the same id however
 * its line is spelled, and importing it again changes nothing. 0 or -ENOMEM.
 */
int digest_id(struct arena *arena, const struct contract_import *import, char **out);

#endif
