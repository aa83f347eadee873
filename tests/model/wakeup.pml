// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/model/wakeup.pml - no wake-up of a signal queue is ever lost
 *
 * One producer and one consumer use a ring as channel/signal_queue.h does:
 * step by step the same stores, loads and barriers, named after its functions.
 * Both sleep when they find nothing to do, and only a doorbell wakes them:
 * there is no slow poll.  A lost wake-up is then a deadlock, which the search
 * reports as an invalid end state; a message lost, doubled or read before it
 * was written breaks an assertion.
 *
 * Memory is that of a machine with store buffers: what a side stores is seen
 * by the other some time later, in order, unless a full barrier has drained
 * the buffer.  That is the one reordering that the protocol must survive;
 * release and acquire forbid the others.
 *
 * The model can fail: each of these takes one step away, and tests/model/run
 * expects the search to find a lost wake-up for each.
 *	NO_PUBLISH_BARRIER	between the store of head and the look at the
 *				consumer's event
 *	NO_ARM_BARRIER		between the consumer's event and its second look
 *	NO_ARM_RECHECK		the consumer's second look itself
 *	NO_RELEASE_BARRIER, NO_SPACE_BARRIER, NO_SPACE_RECHECK
 *				the same for a producer that sleeps on a full ring
 */
#ifndef SLOTS
#define SLOTS 3
#endif
#ifndef MESSAGES
#define MESSAGES 6
#endif

/* words of shared memory */
#define HEAD		0
#define TAIL		1
#define CONSUMER_EVENT	2
#define PRODUCER_EVENT	3
#define SLOT		4
#define WORDS		(SLOT + SLOTS)

#define NEXT(i)		(((i) + 1) % SLOTS)
#define DISTANCE(a, b)	(((b) + SLOTS - (a)) % SLOTS)
/* mullion_sq_event_hit(): does e lie in (a, b], going round? */
#define HIT(e, a, b)	((e) < SLOTS && DISTANCE(a, e) > 0 && \
			 DISTANCE(a, e) <= DISTANCE(a, b))
#define NONE		255	/* MULLION_SQ_EVENT_NONE */

byte memory[WORDS];
chan producer_buffer = [4] of { byte, byte };
chan consumer_buffer = [4] of { byte, byte };

bit producer_bell;
bit consumer_bell;

proctype drain(chan buffer)
{
	byte word, value;

end:	do
	:: atomic { buffer ? word, value -> memory[word] = value }
	od
}

#define STORE(buffer, word, value)	buffer ! word, value
#define FULL_BARRIER(buffer)		empty(buffer)

active proctype producer()
{
	byte head, tail, published, old, event;
	byte sent, burst;
	bit armed = 1;		/* a reset leaves slot 0 there */

	do
	:: sent < MESSAGES ->
		/* mullion_sq_producer_disarm(), where it asked before */
		if
		:: armed -> STORE(producer_buffer, PRODUCER_EVENT, NONE); armed = 0
		:: else
		fi;
		/* mullion_sq_produce(), any burst that fits */
		burst = 0;
		do
		:: sent < MESSAGES && burst < SLOTS - 1 ->
			if
			:: NEXT(head) == tail -> tail = memory[TAIL]
			:: else
			fi;
			if
			:: NEXT(head) == tail -> break
			:: else ->
				head = NEXT(head);
				STORE(producer_buffer, SLOT + head, sent);
				sent++;
				burst++
			fi
		:: burst > 0 -> break
		:: sent == MESSAGES -> break
		od;
		/* mullion_sq_publish() */
		if
		:: published != head ->
			old = published;
			STORE(producer_buffer, HEAD, head);
			published = head;
#ifndef NO_PUBLISH_BARRIER
			FULL_BARRIER(producer_buffer);
#endif
			event = memory[CONSUMER_EVENT];
			if
			:: HIT(event, old, head) -> consumer_bell = 1
			:: else
			fi
		:: else
		fi;
		/* mullion_sq_producer_arm(), and sleep */
		if
		:: sent < MESSAGES && NEXT(head) == tail ->
			STORE(producer_buffer, PRODUCER_EVENT, NEXT(tail));
			armed = 1;
#ifndef NO_SPACE_BARRIER
			FULL_BARRIER(producer_buffer);
#endif
#ifndef NO_SPACE_RECHECK
			tail = memory[TAIL];
#endif
			if
			:: NEXT(head) == tail ->
				atomic { producer_bell == 1 -> producer_bell = 0 }
			:: else
			fi
		:: else
		fi
	:: else -> break
	od
}

active proctype consumer()
{
	byte head, tail, released, old, event;
	byte received;
	bit armed = 1;

	do
	:: received < MESSAGES ->
		/* mullion_sq_consumer_disarm(), where it asked before, or not */
		if
		:: armed -> STORE(consumer_buffer, CONSUMER_EVENT, NONE); armed = 0
		:: skip
		fi;
		/* mullion_sq_consume(), all there is or only some */
		do
		:: tail == head ->
			head = memory[HEAD];
			if
			:: tail == head -> break
			:: else
			fi
		:: tail != head ->
			tail = NEXT(tail);
			assert(memory[SLOT + tail] == received);
			received++
		:: tail != released -> break
		od;
		/* mullion_sq_release() */
		if
		:: released != tail ->
			old = released;
			STORE(consumer_buffer, TAIL, tail);
			released = tail;
#ifndef NO_RELEASE_BARRIER
			FULL_BARRIER(consumer_buffer);
#endif
			event = memory[PRODUCER_EVENT];
			if
			:: HIT(event, old, tail) -> producer_bell = 1
			:: else
			fi
		:: else
		fi;
		/* mullion_sq_consumer_arm(), and sleep */
		if
		:: received < MESSAGES && tail == head ->
			STORE(consumer_buffer, CONSUMER_EVENT, NEXT(tail));
			armed = 1;
#ifndef NO_ARM_BARRIER
			FULL_BARRIER(consumer_buffer);
#endif
#ifndef NO_ARM_RECHECK
			head = memory[HEAD];
#endif
			if
			:: tail == head ->
				atomic { consumer_bell == 1 -> consumer_bell = 0 }
			:: else
			fi
		:: else
		fi
	:: else -> break
	od
}

init {
	atomic {
		/* mullion_sq_reset_shared() */
		memory[CONSUMER_EVENT] = 1;
		run drain(producer_buffer);
		run drain(consumer_buffer)
	}
}
