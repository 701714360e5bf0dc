// SPDX-License-Identifier: Apache-2.0
#pragma once

/// How often this program has called operator new, on any thread.
long allocation_count();
