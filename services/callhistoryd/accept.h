/*
 * callhistoryd/accept: connections for which there is no descriptor left.
 *
 * gRPC Core 1.51 stops to listen for good once accept4() has failed, as it
 * does when descriptors have run out: whoever opens enough connections would
 * shut the port until a restart. So the program has an accept4() of its own,
 * which the libraries are given in place of the C library's: it closes such
 * connections, with a descriptor that is kept back for that, and never fails
 * for want of one.
 */
#ifndef CALLHISTORYD_ACCEPT_H
#define CALLHISTORYD_ACCEPT_H

/* Allows the process all descriptors but those kept back. Before any other thread is there. */
void accept_prepare(void);

#endif
