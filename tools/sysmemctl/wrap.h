// SPDX-License-Identifier: Apache-2.0
//
// Long lines on narrow terminals: broken between words, continued below where they began.
#pragma once

#include <cstddef>
#include <string>

namespace sysmem::ctl {

// Columns of the terminal that standard output is; 0 if it is none.
size_t TerminalColumns();

// Each line of `text` that takes more than `columns` broken at blanks. What continues is indented
// by four more than the line, and the branches of a drawn tree go on beside it. Escapes of colours
// take no room. Words that are longer stay whole. Fewer columns than 40: as it is.
std::string Wrapped(const std::string& text, size_t columns);

// To standard output, wrapped if that is a terminal.
void PrintWrapped(const std::string& text);

}  // namespace sysmem::ctl
