/* losses: the names of the kernel's loss reasons, by enum weir_loss. */
#pragma once

extern const char *const loss_names[];
