/*
 * webhook: records that telephone systems post. A request is answered with success once its call is recorded, so that
 * the sender may forget it.
 */
#pragma once

#include "request.h"

/* Largest body of a request with credentials. */
enum { WEBHOOK_BODY_MAX = 1 << 20 };

/* Events of the vendor's console (deploy/docs/vbot.md). */
void webhook_vbot(struct request *request);

/* Records of FreeSWITCH's mod_json_cdr (deploy/docs/freeswitch.md); HTTP Basic too: the password is the token. */
void webhook_freeswitch(struct request *request);
