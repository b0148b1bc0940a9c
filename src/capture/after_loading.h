/* What only the loading of programs needed: given back to the system. */
#ifndef WEIR_CAPTURE_AFTER_LOADING_H
#define WEIR_CAPTURE_AFTER_LOADING_H

struct bpf_object_skeleton;

/* Gives back the heap that loading took (the kernel's types alone are some 10 MB), and the pages of
 * this program's own file that hold the object: they are read again where another object is opened.
 */
void after_loading(const struct bpf_object_skeleton *skeleton);

#endif
