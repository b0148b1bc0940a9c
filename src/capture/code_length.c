#include "capture/code_length.h"

/* What follows an opcode. */
enum form {
    NONE,
    BYTE,    /* an immediate byte */
    WORD,    /* 2 */
    ENTER,   /* 2 and 1 */
    OPERAND, /* 4, with the operand-size prefix 2 */
    FULL,    /* as OPERAND, with REX.W 8 */
    NEAR,    /* 4: a distance */
    ADDRESS, /* 8, with the address-size prefix 4 */
    UNKNOWN,
    MODRM = 16, /* ModR/M with what it asks for, before the immediate */
    M = MODRM,
    MB = MODRM | BYTE,
    MO = MODRM | OPERAND,
    TEST_BYTE = MODRM | 8,    /* an immediate only for two of the eight: F6 */
    TEST_OPERAND = MODRM | 9, /* F7 */
    X = UNKNOWN,
    N = NONE,
    B = BYTE,
    O = OPERAND,
    F = FULL,
    J = NEAR,
    A = ADDRESS,
};

/* Prefixes and escapes are dealt with before. */
static const uint8_t one_byte[256] = {
    M,     M,  M,    M,  B, O, X,         X,
    M,     M,  M,    M,  B, O, X,         X, /* 00 */
    M,     M,  M,    M,  B, O, X,         X,
    M,     M,  M,    M,  B, O, X,         X, /* 10 */
    M,     M,  M,    M,  B, O, X,         X,
    M,     M,  M,    M,  B, O, X,         X, /* 20 */
    M,     M,  M,    M,  B, O, X,         X,
    M,     M,  M,    M,  B, O, X,         X, /* 30 */
    X,     X,  X,    X,  X, X, X,         X,
    X,     X,  X,    X,  X, X, X,         X, /* 40 */
    N,     N,  N,    N,  N, N, N,         N,
    N,     N,  N,    N,  N, N, N,         N, /* 50 */
    X,     X,  X,    M,  X, X, X,         X,
    O,     MO, B,    MB, N, N, N,         N, /* 60 */
    B,     B,  B,    B,  B, B, B,         B,
    B,     B,  B,    B,  B, B, B,         B, /* 70 */
    MB,    MO, X,    MB, M, M, M,         M,
    M,     M,  M,    M,  M, M, M,         M, /* 80 */
    N,     N,  N,    N,  N, N, N,         N,
    N,     N,  X,    N,  N, N, N,         N, /* 90 */
    A,     A,  A,    A,  N, N, N,         N,
    B,     O,  N,    N,  N, N, N,         N, /* A0 */
    B,     B,  B,    B,  B, B, B,         B,
    F,     F,  F,    F,  F, F, F,         F, /* B0 */
    MB,    MB, WORD, N,  X, X, MB,        MO,
    ENTER, N,  WORD, N,  N, B, X,         N, /* C0 */
    M,     M,  M,    M,  X, X, X,         N,
    M,     M,  M,    M,  M, M, M,         M, /* D0 */
    B,     B,  B,    B,  B, B, B,         B,
    J,     J,  X,    B,  N, N, N,         N, /* E0 */
    X,     N,  X,    X,  N, N, TEST_BYTE, TEST_OPERAND,
    N,     N,  N,    N,  N, N, M,         M, /* F0 */
};

/* Behind 0F. */
static const uint8_t two_bytes[256] = {
    M,  M,  M,  M,  X,  N,  N,  N, N, N, X,  N, X,  M, N, MB, /* 00 */
    M,  M,  M,  M,  M,  M,  M,  M, M, M, M,  M, M,  M, M, M,  /* 10 */
    M,  M,  M,  M,  X,  X,  X,  X, M, M, M,  M, M,  M, M, M,  /* 20 */
    N,  N,  N,  N,  N,  N,  X,  N, X, X, X,  X, X,  X, X, X,  /* 30 */
    M,  M,  M,  M,  M,  M,  M,  M, M, M, M,  M, M,  M, M, M,  /* 40 */
    M,  M,  M,  M,  M,  M,  M,  M, M, M, M,  M, M,  M, M, M,  /* 50 */
    M,  M,  M,  M,  M,  M,  M,  M, M, M, M,  M, M,  M, M, M,  /* 60 */
    MB, MB, MB, MB, M,  M,  M,  N, M, M, X,  X, M,  M, M, M,  /* 70 */
    J,  J,  J,  J,  J,  J,  J,  J, J, J, J,  J, J,  J, J, J,  /* 80 */
    M,  M,  M,  M,  M,  M,  M,  M, M, M, M,  M, M,  M, M, M,  /* 90 */
    N,  N,  N,  M,  MB, M,  X,  X, N, N, N,  M, MB, M, M, M,  /* A0 */
    M,  M,  M,  M,  M,  M,  M,  M, M, M, MB, M, M,  M, M, M,  /* B0 */
    M,  M,  MB, M,  MB, MB, MB, M, N, N, N,  N, N,  N, N, N,  /* C0 */
    M,  M,  M,  M,  M,  M,  M,  M, M, M, M,  M, M,  M, M, M,  /* D0 */
    M,  M,  M,  M,  M,  M,  M,  M, M, M, M,  M, M,  M, M, M,  /* E0 */
    M,  M,  M,  M,  M,  M,  M,  M, M, M, M,  M, M,  M, M, M,  /* F0 */
};

struct instruction {
    struct slice bytes;
    size_t at;
    bool is_short;      /* the bytes end inside it */
    bool has_operand;   /* 66 */
    bool has_address;   /* 67 */
    bool has_repeat_ne; /* F2 */
    bool is_wide;       /* REX.W */
};

static uint8_t next(struct instruction *instruction)
{
    if (instruction->at >= instruction->bytes.length) {
        instruction->is_short = true;
        return 0;
    }
    return instruction->bytes.data[instruction->at++];
}

/* ModR/M, SIB and displacement; the ModR/M byte. */
static uint8_t take_modrm(struct instruction *instruction)
{
    uint8_t modrm = next(instruction), mode = modrm >> 6, base = modrm & 7;

    if (mode == 3)
        return modrm;
    if (base == 4)
        base = next(instruction) & 7;
    if (mode == 1)
        instruction->at += 1;
    else if (mode == 2 || base == 5)
        instruction->at += 4; /* with mode 0: relative, or no base */
    return modrm;
}

static size_t operand_size(const struct instruction *instruction)
{
    return instruction->has_operand && !instruction->is_wide ? 2 : 4;
}

/* Moves behind what the form says. False: not known. */
static bool take_form(struct instruction *instruction, uint8_t form)
{
    uint8_t modrm = form & MODRM ? take_modrm(instruction) : 0;
    bool is_test = (modrm >> 3 & 7) < 2;

    switch (form) {
    case TEST_BYTE:
        instruction->at += is_test ? 1 : 0;
        return true;
    case TEST_OPERAND:
        instruction->at += is_test ? operand_size(instruction) : 0;
        return true;
    default:
        break;
    }
    switch (form & ~MODRM) {
    case NONE:
        return true;
    case BYTE:
        instruction->at += 1;
        return true;
    case WORD:
        instruction->at += 2;
        return true;
    case ENTER:
        instruction->at += 3;
        return true;
    case OPERAND:
        instruction->at += operand_size(instruction);
        return true;
    case FULL:
        instruction->at += instruction->is_wide ? 8 : operand_size(instruction);
        return true;
    case NEAR:
        instruction->at += 4;
        return true;
    case ADDRESS:
        instruction->at += instruction->has_address ? 4 : 8;
        return true;
    default:
        return false;
    }
}

/* Of the maps behind 0F, 0F 38 and 0F 3A, in the numbers of VEX. */
static bool take_map(struct instruction *instruction, unsigned map, uint8_t opcode)
{
    switch (map) {
    case 1:
        return take_form(instruction, two_bytes[opcode]);
    case 2:
    case 5: /* half precision */
    case 6:
        return take_form(instruction, M);
    case 3:
    case 8: /* XOP, of AMD */
        return take_form(instruction, MB);
    case 9:
        return take_form(instruction, M);
    case 10:
        instruction->at += 4;
        return take_form(instruction, M);
    default:
        return false;
    }
}

static bool take_escape(struct instruction *instruction)
{
    uint8_t opcode = next(instruction);

    if (opcode == 0x38)
        return take_map(instruction, 2, next(instruction));
    if (opcode == 0x3a)
        return take_map(instruction, 3, next(instruction));
    if (opcode == 0x78 && (instruction->has_operand || instruction->has_repeat_ne)) {
        instruction->at += 1; /* EXTRQ and INSERTQ have two immediate bytes */
        return take_form(instruction, MB);
    }
    return take_map(instruction, 1, opcode);
}

/* Behind the byte that begins a VEX, EVEX or XOP prefix. */
static bool take_vector(struct instruction *instruction, uint8_t first)
{
    uint8_t second = next(instruction);
    unsigned map = 1;

    if (first == 0xc4 || first == 0x8f)
        map = second & 0x1f;
    else if (first == 0x62)
        map = second & 7;
    if (first != 0xc5)
        next(instruction);
    if (first == 0x62)
        next(instruction);
    return take_map(instruction, map, next(instruction));
}

static bool is_legacy_prefix(struct instruction *instruction, uint8_t byte)
{
    switch (byte) {
    case 0x66:
        instruction->has_operand = true;
        return true;
    case 0x67:
        instruction->has_address = true;
        return true;
    case 0xf2:
        instruction->has_repeat_ne = true;
        return true;
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65:
    case 0xf0:
    case 0xf3:
        return true;
    default:
        return false;
    }
}

/* 8F begins POP, unless what follows cannot be POP's ModR/M. */
static bool is_vector_prefix(const struct instruction *instruction, uint8_t opcode)
{
    size_t at = instruction->at;

    if (opcode == 0x8f)
        return at < instruction->bytes.length && (instruction->bytes.data[at] & 0x1f) >= 8;
    return opcode == 0xc4 || opcode == 0xc5 || opcode == 0x62;
}

size_t code_length_x86(struct slice bytes)
{
    struct instruction instruction = {.bytes = slice_part(bytes, 0, CODE_LENGTH_MAXIMUM)};
    uint8_t opcode = next(&instruction);
    bool is_known;

    for (;;) {
        if (is_legacy_prefix(&instruction, opcode))
            instruction.is_wide = false;
        else if ((opcode & 0xf0) == 0x40)
            instruction.is_wide = opcode & 8;
        else
            break;
        if (instruction.is_short)
            return 0;
        opcode = next(&instruction);
    }
    if (opcode == 0x0f)
        is_known = take_escape(&instruction);
    else if (is_vector_prefix(&instruction, opcode))
        is_known = take_vector(&instruction, opcode);
    else
        is_known = take_form(&instruction, one_byte[opcode]);
    if (!is_known || instruction.is_short || instruction.at > instruction.bytes.length)
        return 0;
    return instruction.at;
}
