/* The lab guest's agent: what a host may ask of it over virtio-serial, in the words of QEMU's guest agent. */
#ifndef HOLDFAST_GUEST_AGENT_H
#define HOLDFAST_GUEST_AGENT_H

/* Opens org.qemu.guest_agent.0, and returns what becomes readable whenever the host has said something; -1: there is no such
 * channel, or not yet. `quiesce` brings what was begun on the disk to its end. */
int agent_open(void (*quiesce)(void));

/* Answers what the host has asked. */
void agent_serve(void);

/* Between a freeze and its thaw nothing may be written. */
int agent_is_frozen(void);

#endif
