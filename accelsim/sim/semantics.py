"""The semantic of a layer's stream, on one page.

Actors: one DRAM channel fed by one DMA queue (or three: rule 9), and two units, the array and the vector unit. Time is
in integer machine cycles. A layer's own stream runs on one unit; where both run, "before" in rules 3 and 4 means before
on the same unit (rule 10).

1. The channel serves transfers in the order given (`stream.channel_order`), one at a time. Transfer x starts when the
   channel is free and segment `x.ready` has ended (-1: at once), or, if x may go `soon`, once the last stream of that
   segment is over: what has been streamed in makes room while results still drain. The simple DRAM is then occupied for
   `ceil(bits * clock / bandwidth)` cycles, and x leaves it at their end. A command-level DRAM (`accelsim.dram`) takes
   the bursts of x's address range into its queues, and is free for the next transfer once the last of them is in; x
   leaves it with its last data on the bus (`dram.memory` rounds DRAM clocks up to cycles, nobody else). Its banks are
   closed and its refresh intervals begin at cycle 0 of the stream.
2. A load's data are usable `latency` cycles after it leaves the channel. A store's buffer slot is free as soon as the
   store leaves the channel; its data are in DRAM `latency` cycles later.
3. Segments run in order. The load phase of segment s starts when the loader is free and every transfer with
   `needed_by == s` that gates the load has completed (loads: data usable; stores: slot free). Its stream starts
   `load` cycles later, once the stream slot is free and the remaining transfers with `needed_by == s` have completed.
   The last stream start is `body` later; the stream slot is free `stream` after that; the segment ends `drain` later,
   and not before the segment in front of it (results leave in order).
4. The loader is free again at the end of the segment before, or, for a segment that loads `ahead` (stationary double
   buffering), at the last stream start of the segment before. The stream slot is free when the last stream before is
   over (its drain overlaps the next stream), or, for a segment that keeps `apart`, at the end of the segment before.
5. A wait is charged to the transfer that completes last; ties go to the one that was first on the channel. Waits of the
   load phase and of the stream are charged apart. What remains after the last segment is `final_drain`.
6. Long transfers are cut into pieces (`build.cut`): a tile that stays for several segments comes, and a result goes,
   piece by piece, in turn with what the segments between need, and each piece has a whole segment to arrive in. The
   `turn` of a piece is its place in the queue only; it starts earlier where nothing before it waits.
7. A whole network is one stream too: work items one behind another, with the ready and needed-by segments that
   `sim.network` gives their first loads and last stores; the first segment of each waits for all before (rule 10).
   Transfers of one readiness keep the order of their work items, and a load after a store of the same words finds them.
   The state of a DRAM by commands runs on from one work item to the next. Each has addresses of its own, one behind
   another on fresh rows, and from 0 on again where the DRAM ends: words that one stores and another loads lie twice,
   once by the tiles of either.
8. The stream ends when all segments have ended and the last store's data are in DRAM.
9. With `dram.arbitration` `first_come` or `round_robin` there are three queues, of Inputs, Outputs and Weights, in this
   order. A queue holds the transfers of its operand in the order given and none passes another in it, so a load of
   psums never passes their store. The first transfer of a queue that has not started is its head, from the start of
   the one before it on (from cycle 0 for the first). A head is ready from the cycle on in which it is the head and
   segment `ready` is over for it (rule 1), whichever is later. The channel, when it is free, takes one of the ready
   heads: `first_come` the one that became ready first, ties in the order of the queues; `round_robin` that of the
   first queue after the one it took from last, Inputs coming after Weights, and before all at first. It chooses when
   all else of the cycle has happened: what becomes ready in a cycle takes part in the choice of that cycle, except the
   new head of the queue chosen. A choice stands; transfers are not interrupted. A transfer that is `stored` is ready no
   earlier than all stores whose turn comes by the end of segment `x.ready` have started: so in a network (rule 7) the
   first loads of a work item, of inputs and of weights that other layers make, do not pass the stores of their words,
   and what is behind them in their queues does not either. All other rules are the same; units take turns (rule 10),
   since segments of two side by side would be known only in the order of time.

10. A segment with `after` >= 0 waits until that segment and all before it in the stream, of both units, have ended: its
   load phase if it may not go `ahead`, its stream in any case. A transfer that is `settled` waits in the same way for
   segment `x.ready` and all before it. So two work items, one on each unit, run side by side, their segments mixed in
   program order, which is the only order for two units. What a segment waits for the other unit beyond its own unit's
   work is charged as `other_unit`, before all waits for transfers.

Worked example. Latency 2, two loads of 5 cycles, both ready at -1, needed by segments 0 and 1 of 4 stream cycles:
load 0 holds the channel 0-5, usable at 7; load 1 5-10, usable at 12. Segment 0 runs 7-11 after a wait of 7 cycles;
segment 1 waits 1 more cycle and runs 12-16.

>>> from accelsim.sim.stream import Segment, Transfer, stream_of
>>> from accelsim.sim.recurrence import run
>>> from accelsim.arch import Dram
>>> loads = tuple(Transfer("load", "Inputs", 5, -1, s) for s in (0, 1))
>>> stream = stream_of((Segment(0, 0, 4, 0),) * 2, loads)
>>> outcome = run(stream, Dram("example", 1, 2, 0, 0), clock_hz=1)
>>> outcome.starts, outcome.ends, outcome.stalls
((7, 12), (11, 16), (('dram_read_inputs', 8),))

Rule 9 on two Inputs and two Weights of 5 cycles, all ready at the start. The second Inputs is head, and ready, from
cycle 0 on, when the first starts, as early as the first Weights; so first come takes both Inputs first, round robin
does not.

>>> from dataclasses import replace
>>> both = [Transfer("load", o, 5, -1, s) for s in (0, 1) for o in ("Inputs", "Weights")]
>>> dram = Dram("example", 1, 2, 0, 0, arbitration="first_come")
>>> for rule in ("first_come", "round_robin"):
...     found = run(stream_of((Segment(0, 0, 4, 0),) * 2, both), replace(dram, arbitration=rule), clock_hz=1)
...     rule, found.spans[:, 0].tolist(), found.starts
('first_come', [0, 10, 5, 15], (17, 22))
('round_robin', [0, 5, 10, 15], (12, 22))

Rule 10: the vector unit takes results of the array, three segments of 4 cycles, as they come; its second segment waits
for the third of the array.

>>> array = [Segment(0, 0, 4, 0) for _ in range(3)]
>>> vector = [Segment(0, 0, 5, 0, unit=1, after=0), Segment(0, 0, 1, 0, unit=1, after=3)]
>>> mixed = stream_of([*array[:2], vector[0], array[2], vector[1]], ())
>>> found = run(mixed, replace(dram, arbitration="program_order"), clock_hz=1)
>>> found.starts, found.ends, found.stalls
((0, 4, 4, 8, 12), (4, 8, 9, 12, 13), (('other_unit', 7),))
"""
