#pragma once
/* Service time, and what the first bytes of a response say about it. */
#include "lib/socket.bpf.h"

enum {
	STATUS_LINE_BYTES = 12, /* "HTTP/1.1 200" */
	STATUS_SEGMENTS = 6,    /* some servers hand the kernel each word of the line by itself */
	STATUS_UNKNOWN = 0,
	CONTINUE_BYTES = 25, /* "HTTP/1.1 100 Continue" and an empty line: nobody sends more with it */
};

/* The status of an HTTP/1.x status line, 100 to 999, or STATUS_UNKNOWN. */
static __always_inline __u32 parse_status(const char *line)
{
	__u32 status = 0;

	if (line[0] != 'H' || line[1] != 'T' || line[2] != 'T' || line[3] != 'P' || line[4] != '/' || line[5] != '1' ||
	    line[6] != '.' || line[8] != ' ')
		return STATUS_UNKNOWN;
#pragma unroll
	for (int i = 9; i < STATUS_LINE_BYTES; i++) {
		if (line[i] < '0' || line[i] > '9')
			return STATUS_UNKNOWN;
		status = status * 10 + (line[i] - '0');
	}
	return status >= 100 ? status : STATUS_UNKNOWN;
}

/* Gathers the first bytes of an iovec array in user memory. Returns false if they are too few or not present. */
static __always_inline bool gather(const struct iovec *segments, __u64 skip, __u64 n_segments, char *line)
{
	__u64 have = 0;

	for (__u32 i = 0; i < STATUS_SEGMENTS; i++) {
		struct iovec segment;
		__u64 n;

		if (i >= n_segments || bpf_probe_read_kernel(&segment, sizeof(segment), segments + i))
			return false;
		if (segment.iov_len < skip) {
			skip -= segment.iov_len;
			continue;
		}
		n = segment.iov_len - skip;
		if (n > STATUS_LINE_BYTES)
			n = STATUS_LINE_BYTES;
		/* Masks bound both for the verifier, which does not keep the relation between them; `line` has room for
		 * the largest sum. */
		asm volatile("" : "+r"(n), "+r"(have));
		have &= 15;
		n &= 15;
		if (n && bpf_probe_read_user(line + have, n, segment.iov_base + skip))
			return false;
		skip = 0;
		have += n;
		if (have >= STATUS_LINE_BYTES)
			return true;
	}
	return false;
}

/* Status of the response that begins `past` bytes into `msg`. STATUS_UNKNOWN also if its page is not present (nothing is faulted
 * in), or it is not in plain user memory (sendfile, kTLS, registered buffers). */
static __always_inline __u32 status_of(struct msghdr *msg, __u32 past)
{
	char line[32] = {};
	__u8 type = msg->msg_iter.iter_type;
	__u64 skip = msg->msg_iter.iov_offset + past;

	if (type == bpf_core_enum_value(enum iter_type, ITER_UBUF)) {
		if (msg->msg_iter.count < past + STATUS_LINE_BYTES ||
		    bpf_probe_read_user(line, STATUS_LINE_BYTES, (const void *)(buffer_at(&msg->msg_iter) + skip)))
			return STATUS_UNKNOWN;
	} else if (type == bpf_core_enum_value(enum iter_type, ITER_IOVEC)) {
		if (!gather(segments_of(&msg->msg_iter), skip, msg->msg_iter.nr_segs, line))
			return STATUS_UNKNOWN;
	} else {
		return STATUS_UNKNOWN;
	}
	return parse_status(line);
}

/* One exchange in how many is measured, of those on this socket; 0: the one under way is not. What is not measured costs what
 * it costs to be asked. */
static __always_inline __u32 measured_one_in(const struct sock *sk, const struct tcp_sock *tcp)
{
	__u32 thinning = thinning_of(sk);

	if (!thinning)
		return 1;
	return exchange_dice(sk, tcp) >> (32 - thinning) ? 0 : 1U << thinning;
}

/* Whether the request that waits by the mark is one whose response was passed over, when thinning had changed, or went past the
 * hook. */
static __always_inline bool missed(const struct probe_socket *mark, const struct tcp_sock *tcp)
{
	return mark->request_at != tcp->write_seq;
}

/* When the kernel had queued what the service has just read: the first byte of a request that is measured, else the last packet
 * of what it read. */
static __always_inline __u64 arrived_at(const struct probe_socket *mark, const struct tcp_sock *tcp)
{
	return mark->request_ns && !missed(mark, tcp) ? mark->request_ns : tcp->tcp_clock_cache;
}

static __always_inline void observe(const struct probe_socket *mark, __u64 ns)
{
	__u32 slot = mark->slot, bucket = histogram_bucket(ns);
	struct probe_measured *cpu = bpf_map_lookup_elem(&measured, &slot);

	if (!cpu || bucket >= HISTOGRAM_BUCKETS)
		return;
	cpu->service_time.count++;
	cpu->service_time.sum_ns += ns;
	cpu->service_time.bucket[bucket]++;
}

/* Where in the stream of requests the service was when it sent: bytes from there on came after the response. */
static __always_inline void note_position(struct sock *sk, const struct tcp_sock *tcp, struct probe_socket *mark)
{
	if (!(mark->flags & SOCKET_SAMPLED))
		return;
	mark->sent_seq = tcp->copied_seq;
	/* A service that only splices passes no other hook before its connection ends. */
	if (!(mark->flags & SOCKET_TLS) && mark->flags & SOCKET_OPENED &&
	    (__s32)(taken_to(sk, tcp) - mark->next_seq) > 0)
		tell_past_tap(mark->slot, PAST_TAP_BYTES);
}

/* An interim response (1xx, but for 101, after which the connection is another protocol's) does not answer the request. */
static __always_inline bool is_interim(__u32 status)
{
	return status >= 100 && status < 200 && status != 101;
}

/* The service sends an interim response, of `len` bytes. */
static __always_inline void interim(struct probe_socket *mark, const struct tcp_sock *tcp, __u64 len)
{
	if (mark->thinned) /* the exchange goes on as another one, that may be passed over */
		mark->request_ns = 0;
	mark->request_at = tcp->write_seq + len;
	if (mark->write_seq == tcp->write_seq)
		mark->write_seq += len;
}

/* The service has sent. `status`: of an HTTP response, if one begins here; `one_in`: as measured_one_in(). */
static __always_inline void response(struct probe_socket *mark, __u32 status, __u32 one_in)
{
	if (!mark->request_ns)
		return;
	observe(mark, bpf_ktime_get_ns() - mark->request_ns);
	mark->request_ns = 0;
	count(mark, PROBE_REQUESTS, one_in);
	if (status == STATUS_UNKNOWN)
		count(mark, PROBE_STATUS_UNKNOWN, one_in);
	else if (status >= 500 && status < 600)
		count(mark, PROBE_STATUS_ERROR, one_in);
}

/* An exchange that is measured. */
struct measured_exchange {
	struct probe_socket *mark; /* of its socket */
	__u32 one_in; /* for how many exchanges it stands */
};

/* The one under way on a socket that something is stored on. Returns false, most often before anything is looked up, if there
 * is none. `tcp`: the socket, if it is one of TCP. */
static __always_inline bool find_measured(struct sock *sk, const struct tcp_sock *tcp, struct measured_exchange *exchange)
{
	if (!tcp)
		return false;
	exchange->one_in = measured_one_in(sk, tcp);
	if (!exchange->one_in)
		return false;
	exchange->mark = watched(sk);
	return exchange->mark;
}

/* A connection begins that a listener's mark was copied to: takes that mark off, throws the dice. */
static __always_inline void begin_connection(struct sock *sk, struct probe_socket *mark, const struct probe_control *control)
{
	mark->flags &= ~SOCKET_LISTENER;
	mark->flags |= SOCKET_DICED;
	count(mark, PROBE_CONNECTIONS, 1);
	if (bpf_get_prandom_u32() < control->sample_threshold) {
		mark->flags |= SOCKET_SAMPLED;
		mark->conn_id = bpf_get_socket_cookie(sk);
	}
}

/* A connection of whose begin nobody heard: the kernel does not run a program that it interrupts on the same processor, and an
 * interrupt may establish connections while another one ends. Its stream is announced with its next read; what the service has
 * read by now is lost. */
static __always_inline void begin_late(struct sock *sk, const struct tcp_sock *tcp, struct probe_socket *mark)
{
	struct probe_control *control = live_control(mark);
	__u32 read;

	if (!control)
		return;
	begin_connection(sk, mark, control);
	read = (__u32)tcp->bytes_received - bytes_waiting(sk, tcp);
	if (!(mark->flags & SOCKET_SAMPLED) || !read)
		return;
	mark->flags |= SOCKET_JOINED;
	count(mark, PROBE_BYTES, read);
	count(mark, PROBE_UNREADABLE, read);
}

/* Bytes may have been queued on a socket. TCP has taken the time when it took up the packet: asking for it again would be half
 * of what this costs. */
static __always_inline void arrival(struct sock *sk, const struct tcp_sock *tcp)
{
	struct measured_exchange exchange;
	struct probe_socket *mark;

	if (!find_measured(sk, tcp, &exchange))
		return;
	mark = exchange.mark;
	if (mark->flags & SOCKET_LISTENER && sk->__sk_common.skc_state == BPF_TCP_ESTABLISHED)
		begin_late(sk, tcp, mark);
	if ((mark->request_ns && !missed(mark, tcp)) || mark->flags & SOCKET_LISTENER || !bytes_waiting(sk, tcp))
		return;
	mark->request_ns = tcp->tcp_clock_cache;
	mark->request_at = tcp->write_seq;
	mark->thinned = exchange.one_in > 1;
}

/* A socket is about to send `msg`. */
static __always_inline void sending(struct sock *sk, const struct tcp_sock *tcp, struct msghdr *msg)
{
	struct measured_exchange exchange;
	__u32 status = STATUS_UNKNOWN;
	struct probe_socket *mark;

	if (!find_measured(sk, tcp, &exchange))
		return;
	mark = exchange.mark;
	if (!live_control(mark))
		return;
	count(mark, PROBE_SENT, exchange.one_in);
	if (missed(mark, tcp))
		mark->request_ns = 0;
	if (mark->request_ns)
		status = status_of(msg, 0);
	if (status == 100 && msg->msg_iter.count > CONTINUE_BYTES) /* the response follows in the same send */
		status = status_of(msg, CONTINUE_BYTES);
	if (is_interim(status)) {
		interim(mark, tcp, msg->msg_iter.count);
		return;
	}
	note_position(sk, tcp, mark);
	response(mark, status, exchange.one_in);
}
