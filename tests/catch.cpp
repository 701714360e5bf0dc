// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"  // compiled here once, ahead of all tests
