/*
 * exec.h: opens the room: the planner pass and the executor node.
 */
#ifndef LEPTON_EXEC_H
#define LEPTON_EXEC_H

/* Register the node and the planner hook; called by _PG_init. */
void lepton_exec_init(void);

/* Tell whether the library was there before the first statement of the session. */
bool lepton_exec_is_preloaded(void);

#endif
