/*
 * rpc/certificates: the server's TLS certificates, which may be replaced while it serves: each new connection takes the
 * newest. For the files of this module only.
 */
#pragma once

#include <grpc/grpc_security.h>

#include "base/pem_files.h"

/* What one address knows of the files; owned by the caller, who frees the list after the server. */
struct certificates {
	struct certificates *next;
	struct pem_files *files; /* certificate chain, key, authorities of clients */
	unsigned generation;     /* of the texts that gRPC has taken for this address */
};

/* Makes credentials of one address that follow the files; adds what they need to *list. NULL when out of memory. */
grpc_server_credentials *rpc_certificates_credentials(struct certificates **list, struct pem_files *files);
