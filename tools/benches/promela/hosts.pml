/* A pool of three hosts: specs/examples/17-hosts.yaml, action by action and in the same order, for SPIN.
   One process with one choice of indivisible steps, and variables of as few bits as they need: SPIN's fastest form that
   was found. Macros write the hosts out, for SPIN does not pack arrays of bits.
   Counting rule: states stored without partial order reduction = distinct states. */
#define OFF 0
#define BOOTING 1
#define ASKING 2
#define FOLLOWER 3
#define CLAIMING 4
#define MASTER 5
#define LEAVING 6
#define DYING 7
#define NONE 3

unsigned state0 : 3, state1 : 3, state2 : 3;
unsigned lock : 2 = NONE;
bool ask0, ask1, ask2, fence0, fence1, fence2, late0, late1, late2;

#define BETWEEN(s, low, high) (s >= low && s <= high)  /* one of the states from low to high */
#define MEMBER(s) BETWEEN(s, FOLLOWER, MASTER)
#define NO_MEMBERS (!MEMBER(state0) && !MEMBER(state1) && !MEMBER(state2))
#define ALONE(h) ((h == 0 || !MEMBER(state0)) && (h == 1 || !MEMBER(state1)) && (h == 2 || !MEMBER(state2)))

#define HOST(h) \
  :: d_step { state##h == OFF -> state##h = BOOTING } \
  :: d_step { state##h == BOOTING -> state##h = ASKING; ask##h = true } \
  :: d_step { state##h == ASKING && !ask##h -> ask##h = true } \
  :: d_step { state##h == ASKING && lock == NONE && NO_MEMBERS -> state##h = CLAIMING; late##h = false } \
  :: d_step { state##h == FOLLOWER && lock == h && !late##h -> state##h = MASTER } \
  :: d_step { state##h >= ASKING && !late##h -> late##h = true } \
  :: d_step { state##h <= BOOTING && !late##h -> late##h = true } \
  :: d_step { BETWEEN(state##h, FOLLOWER, CLAIMING) && late##h && !fence##h -> late##h = false } \
  :: d_step { state##h == MASTER && late##h && !fence##h -> late##h = false } \
  :: d_step { state##h == FOLLOWER && lock == NONE && !late##h -> state##h = CLAIMING } \
  :: d_step { state##h == CLAIMING && lock == NONE && !late##h && ALONE(h) -> state##h = MASTER; lock = h } \
  :: d_step { state##h == MASTER && late##h -> state##h = LEAVING } \
  :: d_step { state##h == MASTER && !late##h -> state##h = LEAVING } \
  :: d_step { state##h == LEAVING -> state##h = ASKING; lock = NONE } \
  :: d_step { BETWEEN(state##h, ASKING, CLAIMING) && fence##h -> state##h = DYING; fence##h = false } \
  :: d_step { BETWEEN(state##h, MASTER, LEAVING) && fence##h -> state##h = DYING; fence##h = false } \
  :: d_step { state##h == DYING -> state##h = OFF } \
  :: d_step { BETWEEN(state##h, FOLLOWER, CLAIMING) && late##h -> state##h = DYING } \
  :: d_step { BETWEEN(state##h, BOOTING, ASKING) || state##h == DYING -> state##h = OFF } \
  :: d_step { BETWEEN(state##h, FOLLOWER, LEAVING) -> state##h = OFF } \
  :: d_step { ask##h -> ask##h = false } \
  :: d_step { fence##h -> fence##h = false }

#define PAIR(h, k) \
  :: d_step { state##h == ASKING && ask##h && state##k == MASTER && !late##k -> state##h = FOLLOWER; late##h = false } \
  :: d_step { state##h == ASKING && ask##h && state##k == FOLLOWER && !late##k && lock != k -> state##h = FOLLOWER; late##h = false } \
  :: d_step { state##h == FOLLOWER && lock == k && late##k && !late##h -> state##h = CLAIMING; fence##k = true } \
  :: d_step { state##h == CLAIMING && lock == NONE && !late##h && BETWEEN(state##k, FOLLOWER, CLAIMING) && !late##k -> state##h = MASTER; lock = h } \
  :: d_step { state##h == CLAIMING && lock == k && state##k == OFF -> state##h = MASTER; lock = h; fence##k = false } \
  :: d_step { state##h == CLAIMING && lock == k && late##k && !fence##k && state##k != OFF -> fence##k = true } \
  :: d_step { state##h == CLAIMING && lock == k && !late##k -> state##h = FOLLOWER } \
  :: d_step { state##h == FOLLOWER && !late##h && state##k == FOLLOWER && late##k && !fence##k -> fence##k = true } \
  :: d_step { state##h == MASTER && !late##h && BETWEEN(state##k, ASKING, CLAIMING) && late##k && !fence##k -> fence##k = true } \
  :: d_step { state##h == MASTER && state##k != MASTER && fence##k && !late##k -> fence##k = false } \
  :: d_step { state##h == MASTER && state##k != ASKING && state##k != MASTER && ask##k -> ask##k = false } \
  :: d_step { state##h == MASTER && state##k == OFF && late##k -> late##k = false; fence##k = false } \
  :: d_step { state##h == MASTER && !late##h && state##k == FOLLOWER && !late##k -> state##h = FOLLOWER; state##k = MASTER; lock = k }

active proctype pool() {
  do
  HOST(0)
  HOST(1)
  HOST(2)
  PAIR(0, 1)
  PAIR(0, 2)
  PAIR(1, 0)
  PAIR(1, 2)
  PAIR(2, 0)
  PAIR(2, 1)
  od
}
