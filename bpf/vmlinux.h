/*
 * vmlinux.h: the kernel types that weir's programs touch, trimmed by hand. Every structure is
 * relocated at load time (CO-RE), so only names and types matter here, not layout or order.
 * Names with a suffix behind ___ are the same kernel type as other versions know it.
 */
#pragma once

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

enum bpf_map_type {
    BPF_MAP_TYPE_HASH = 1,
    BPF_MAP_TYPE_ARRAY = 2,
    BPF_MAP_TYPE_PROG_ARRAY = 3,
    BPF_MAP_TYPE_PERCPU_ARRAY = 6,
    BPF_MAP_TYPE_LRU_HASH = 9,
    BPF_MAP_TYPE_LPM_TRIE = 11,
    BPF_MAP_TYPE_SK_STORAGE = 24,
    BPF_MAP_TYPE_RINGBUF = 27,
};
enum bpf_func_id {
    BPF_FUNC_ktime_get_coarse_ns = 160,
    BPF_FUNC_task_pt_regs = 175,
    BPF_FUNC_get_func_ret = 184,
    BPF_FUNC_xdp_load_bytes = 189,
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1, BPF_F_NO_PREALLOC = 1 };
enum { BPF_SK_STORAGE_GET_F_CREATE = 1 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2, BPF_RB_AVAIL_DATA = 0 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct in6_addr {
    union {
        __u8 u6_addr8[16];
        __be32 u6_addr32[4];
    } in6_u;
};

struct ns_common {
    unsigned int inum;
};
struct net {
    struct ns_common ns;
};
typedef struct {
    struct net *net;
} possible_net_t;

struct sock_common {
    __be32 skc_daddr;
    __be32 skc_rcv_saddr;
    __be16 skc_dport;
    __u16 skc_num;
    unsigned short skc_family;
    volatile unsigned char skc_state;
    unsigned long skc_flags;
    possible_net_t skc_net;
    struct in6_addr skc_v6_daddr;
    struct in6_addr skc_v6_rcv_saddr;
};

struct inode {
    unsigned short i_mode;
    unsigned long i_ino;
};
struct qstr {
    const unsigned char *name;
};
struct hlist_bl_node {
    struct hlist_bl_node **pprev;
};
struct dentry {
    struct hlist_bl_node d_hash;
    struct dentry *d_parent;
    struct qstr d_name;
};
struct vfsmount {
    struct dentry *mnt_root;
};
struct mount {
    struct mount *mnt_parent;
    struct dentry *mnt_mountpoint;
    struct vfsmount mnt;
};
struct path {
    struct vfsmount *mnt;
    struct dentry *dentry;
};
struct rlimit {
    unsigned long rlim_cur;
};
struct file {
    const void *f_op;
    struct inode *f_inode;
    void *private_data;
    struct path f_path;
};
struct mm_struct {
    struct file *exe_file;
    unsigned long arg_start, arg_end;
};

struct kernfs_node {
    struct kernfs_node *__parent; /* 6.15 */
    const char *name;
    __u64 id;
};
struct kernfs_node___before_6_15 {
    struct kernfs_node *parent;
};
struct cgroup {
    struct kernfs_node *kn;
    void *root;
    int level;
    struct cgroup *ancestors[1]; /* 6.1, as many as the level says, and itself */
};
struct cgroup_subsys_state {
    struct cgroup *cgroup;
};
struct css_set {
    struct cgroup_subsys_state *subsys[1];
    struct cgroup *dfl_cgrp;
};
enum cgroup_subsys_id {
    memory_cgrp_id,
    pids_cgrp_id,
    devices_cgrp_id,
};
struct upid {
    int nr;
};
struct pid {
    unsigned int level;
    struct upid numbers[1];
};
struct socket {
    struct file *file;
    struct sock *sk;
};
struct sock {
    struct sock_common __sk_common;
    __u16 sk_protocol;
    __u16 sk_type;
    int sk_err;
    struct socket *sk_socket;
};
struct unix_address;
struct unix_sock {
    struct sock sk;
    struct unix_address *addr;
    struct sock *peer;
};
struct net_device {
    int ifindex;
    possible_net_t nd_net;
};
struct sk_buff {
    struct net_device *dev;
    struct sock *sk;
    unsigned int len;
    __be16 protocol;
    int skb_iif;
    __be16 vlan_proto;
    __u16 vlan_tci;
    __u16 network_header;
    __u16 transport_header;
    __u16 mac_header;
    unsigned int tail;
    unsigned int end;
    unsigned char *head;
    unsigned char *data;
};
struct sk_buff___before_6_1 {
    __u8 vlan_present : 1;
};
struct skb_shared_info {
    unsigned short gso_size;
    unsigned short gso_segs;
};
/* Before 5.6 these were bit fields; the oldest kernel here is 5.10. */

struct inet_sock {
    __be16 inet_sport;
};
struct inet_connection_sock {
    const void *icsk_ulp_ops;
    struct {
        __u32 lrcvtime;
    } icsk_ack;
};
struct minmax_sample {
    __u32 t, v;
};
struct minmax {
    struct minmax_sample s[3];
};
struct tcp_sock {
    struct inet_connection_sock inet_conn;
    __u32 write_seq;
    __u32 copied_seq;
    __u32 rcv_nxt;
    __u32 snd_una, snd_nxt;
    __u64 bytes_sent, bytes_acked, bytes_retrans, bytes_received;
    __u32 segs_out, segs_in, data_segs_out, data_segs_in;
    __u32 total_retrans;
    __u32 srtt_us;
    __u32 mss_cache;
    struct minmax rtt_min;
};

struct iovec {
    void *iov_base;
    unsigned long iov_len;
};
enum iter_type {
    ITER_UBUF,
    ITER_IOVEC,
};
struct iov_iter {
    __u8 iter_type;
    unsigned long iov_offset;
    unsigned long count;
    const struct iovec *__iov; /* 6.4 */
    void *ubuf;                /* 6.0 */
    unsigned long nr_segs;
};
struct iov_iter___before_6_4 {
    const struct iovec *iov;
};
struct iov_iter___before_5_14 {
    unsigned int type;
};
struct msghdr {
    void *msg_name;
    struct iov_iter msg_iter;
    void *msg_control;
    unsigned long msg_controllen;
};

struct fdtable {
    unsigned int max_fds;
    struct file **fd;
};
struct files_struct {
    struct fdtable *fdt;
};
typedef struct {
    unsigned int val;
} kuid_t;
struct cred {
    kuid_t uid;
};
struct thread_info {
    unsigned int status;
};
struct cgroup___before_6_1 {
    int level;
    __u64 ancestor_ids[1]; /* as many as the level says, and its own */
};
struct thread_struct {
    unsigned long fsbase; /* x86 */
};
struct task_struct {
    struct thread_info thread_info;
    struct thread_struct thread;
    unsigned int flags;
    int tgid;
    __u64 start_boottime;
    struct task_struct *group_leader;
    const struct cred *cred;
    char comm[16];
    struct files_struct *files;
    void *io_uring;
    struct mm_struct *mm;
    struct task_struct *real_parent;
    struct pid *thread_pid;
    struct css_set *cgroups;
    __u64 self_exec_id;
};
struct task_struct___before_5_5 {
    __u64 real_start_time;
};

/* What programs that iterate are given (bpf_iter, 5.8; of a map, 5.9). */
struct seq_file {
    unsigned long count;
};
struct bpf_iter_meta {
    struct seq_file *seq;
};
struct bpf_iter__task_file {
    struct bpf_iter_meta *meta;
    struct task_struct *task;
    struct file *file;
};
struct bpf_map {
    __u32 max_entries;
};
struct bpf_iter__bpf_map_elem {
    struct bpf_iter_meta *meta;
    struct bpf_map *map;
    void *key;
    void *value;
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
    unsigned long r14, bx, r10, r9, r8, ax, cx, dx, si, di, orig_ax, sp;
};
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs {
    __u64 regs[31];
};
struct pt_regs {
    __u64 regs[31];
    __u64 sp;
    __u64 orig_x0;
    __s32 syscallno;
};
#endif

#pragma clang attribute pop

/* Laid out by the BPF ABI (linux/bpf.h): what packet programs are given. */
struct __sk_buff {
    __u32 len;
    __u32 pkt_type;
    __u32 mark;
    __u32 queue_mapping;
    __u32 protocol;
    __u32 vlan_present;
    __u32 vlan_tci;
    __u32 vlan_proto;
    __u32 priority;
    __u32 ingress_ifindex;
    __u32 ifindex;
    __u32 tc_index;
    __u32 cb[5];
    __u32 hash;
    __u32 tc_classid;
    __u32 data;
    __u32 data_end;
    __u32 napi_id;
    __u32 family;
    __u32 remote_ip4;
    __u32 local_ip4;
    __u32 remote_ip6[4];
    __u32 local_ip6[4];
    __u32 remote_port;
    __u32 local_port;
    __u32 data_meta;
    __u64 flow_keys;
    __u64 tstamp;
    __u32 wire_len;
    __u32 gso_segs;
    __u64 sk;
    __u32 gso_size;
};
struct bpf_sock;
struct bpf_sock_addr {
    __u32 user_family;
    __u32 user_ip4;
    __u32 user_ip6[4];
    __u32 user_port;
    __u32 family;
    __u32 type;
    __u32 protocol;
    __u32 msg_src_ip4;
    __u32 msg_src_ip6[4];
    struct bpf_sock *sk __attribute__((aligned(8)));
};
struct xdp_md {
    __u32 data;
    __u32 data_end;
    __u32 data_meta;
    __u32 ingress_ifindex;
    __u32 rx_queue_index;
    __u32 egress_ifindex;
};
enum { TC_ACT_UNSPEC = -1 };
enum xdp_action { XDP_PASS = 2 };
enum { PACKET_OUTGOING = 4 };

/* Laid out by the system-call ABI, not by the kernel's version. */
struct user_msghdr {
    __u64 msg_name;
    __u32 msg_namelen;
    __u32 padding;
    __u64 msg_iov;
    __u64 msg_iovlen;
    __u64 msg_control;
    __u64 msg_controllen;
    __u32 msg_flags;
    __u32 padding2;
};
struct user_mmsghdr {
    struct user_msghdr msg_hdr;
    __u32 msg_len;
    __u32 padding;
};
struct user_iovec {
    __u64 iov_base;
    __u64 iov_len;
};
