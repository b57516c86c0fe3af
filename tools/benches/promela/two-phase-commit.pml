/* Two-phase commit with 8 resource managers: specs/examples/10-two-phase-commit.yaml, statement by statement, for SPIN.
   One process with one choice of indivisible steps, and variables of as few bits as they need: SPIN's fastest form that
   was found. Macros write the managers out, for SPIN does not pack arrays of bits.
   Counting rule: states stored without partial order reduction = distinct states = 2^8 + 4^8 + 6^8 = 1,745,408. */
#define WORKING 0
#define PREPARED 1
#define COMMITTED 2
#define ABORTED 3
#define ALL 255

unsigned state0 : 2, state1 : 2, state2 : 2, state3 : 2, state4 : 2, state5 : 2, state6 : 2, state7 : 2;
unsigned tm : 2;              /* 0 init, 1 committed, 2 aborted */
byte said, heard;             /* sets of managers */
bool commit, abort;

#define MANAGER(r) \
  :: d_step { state##r == WORKING -> state##r = PREPARED; said = said | (1 << r) } \
  :: d_step { state##r == WORKING -> state##r = ABORTED } \
  :: d_step { tm == 0 && (said & (1 << r)) -> heard = heard | (1 << r) } \
  :: d_step { commit -> state##r = COMMITTED } \
  :: d_step { abort -> state##r = ABORTED }

active proctype everybody() {
  do
  :: d_step { tm == 0 && heard == ALL -> tm = 1; commit = true }
  :: d_step { tm == 0 -> tm = 2; abort = true }
  MANAGER(0)
  MANAGER(1)
  MANAGER(2)
  MANAGER(3)
  MANAGER(4)
  MANAGER(5)
  MANAGER(6)
  MANAGER(7)
  od
}
