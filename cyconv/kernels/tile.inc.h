/* The tile microkernel, for one compute dtype of one instruction set (see kernels.h).
 *
 * R * V accumulators stay in registers over a chunk, the totals of small tiles too. V vectors are loaded per term and
 * the scalar operand comes as a broadcast from memory, which AVX-512 folds into the multiply-add. Which operand is
 * weights and which is window is the caller's choice: with outputs as rows it is the plain tile,
 * with pixels as rows the turned one. Both round alike, multiplication being commutative.
 *
 * Twelve products of a term of AVX2 take six cycles, and eight loads. On a core that is shared, products alone were
 * measured to keep their six cycles while terms took eight to ten: as if half of the instructions that it starts were
 * another thread's, so that each one more is felt. Operands that lie one after the other therefore take no table,
 * and where their distance is that of a whole tile, known to the compiler, two terms share the arithmetic of addresses.
 * Tiles of three vectors have no register left for the second. With 32 registers a term has 28 products, beside which
 * addresses do not count, and that loop is left out (`CYC_TIGHT_TILES`).
 *
 * 7x4 has 28 sums, as 14x2 does, and rows of seven pixels fill it. That leaves four of 32 registers, so that the last
 * vector of its terms comes from memory for each row. A chunk of its panel is 256 lines: terms fetch as much of what lies
 * ahead, as a burst of many lines holds up the products that follow. Shapes of shorter chunks lose as much by one more
 * instruction a term as they gain.
 */

/* The products of row i, and those of a term, whose operands lie at B and V. */
#define CYC_TILE_ROW(i)                                                                                           \
    {                                                                                                             \
        const CYC_VECTOR scalar = CYC_OP(broadcast)(b + (i));                                                     \
        CYC_UNROLL for (int j = 0; j < kept; j++) sum[i][j] = CYC_OP(multiply_add)(scalar, column[j], sum[i][j]); \
        if (kept < vectors) {                                                                                     \
            CYC_FORGET(last_column);                                                                              \
            sum[i][kept] = CYC_OP(multiply_add)(scalar, CYC_OP(load)(last_column), sum[i][kept]);                 \
        }                                                                                                         \
    }
#define CYC_TILE_LOADS(B, V)                               \
    const CYC_ELEMENT *const b = (B), *const v = (V);      \
    const CYC_ELEMENT *last_column = v + kept * CYC_LANES; \
    CYC_VECTOR column[CYC_MAX_TILE_VECTORS];               \
    CYC_UNROLL for (int j = 0; j < kept; j++) {            \
        column[j] = CYC_OP(load)(v + j * CYC_LANES);       \
        CYC_TILE_KEEP(column[j]);                          \
    }
#define CYC_TILE_TERM(B, V)                                                      \
    {                                                                            \
        CYC_TILE_LOADS(B, V)                                                     \
        CYC_UNROLL for (int i = 0; i < rows; i++) CYC_TILE_ROW(i) CYC_TILE_FETCH \
    }
#define CYC_TILE_FETCH           \
    if (fetches) {               \
        CYC_PREFETCH_FAR(fetch); \
        fetch += fetch_step;     \
    }
/* Terms ahead whose vectors a tile of several chunks fetches, the time of a hundred cycles; at its end, those of the
 * next tile. A tile of one chunk fetches the whole next one instead, as the first level has room for both. */
#define CYC_TERMS_AHEAD 8
#define CYC_VECTORS_OF_LINE (CYC_LINE_BYTES / (CYC_LANES * (int)sizeof(CYC_ELEMENT)))
#if CYC_FLOATING
#define CYC_TILE_KEEP(vector) CYC_KEEP(vector)
#else
#define CYC_TILE_KEEP(vector) (void)0
#endif

CYC_INLINE void CYC_NAME(tile)(const cyc_tile_args *args, const int rows, const int vectors) {
    const CYC_ELEMENT *broadcast = (const CYC_ELEMENT *)args->broadcast;
    const CYC_ELEMENT *vector = (const CYC_ELEMENT *)args->vector;
    const cyc_tap *const taps = args->taps;
    const ptrdiff_t b_step = args->broadcast_step, v_step = args->vector_step;
    const ptrdiff_t next = args->next_vector;
    const int turn = vectors > 2 ? 1 : 2; /* terms of a turn of the loop, if operands are tight */
    const int kept = CYC_KEPT_COLUMNS(CYC_REGISTERS, rows, vectors);
    const int edge_rows = CYC_EDGE_ROWS(rows);
    CYC_ELEMENT *totals = (CYC_ELEMENT *)args->totals;
    const int fetches = CYC_FLOATING && kept < vectors;
    const char *fetch = cyc_fetch_start(args->ahead, vector);
    ptrdiff_t fetch_step = cyc_fetch_step(args->ahead);
    int carry = args->carry;
    CYC_VECTOR sum[CYC_MAX_TILE_ROWS][CYC_MAX_TILE_VECTORS], total[CYC_MAX_TILE_ROWS][CYC_MAX_TILE_VECTORS];
    const int keeps = CYC_KEEPS_TOTALS(CYC_REGISTERS, rows, vectors);
    const int tight = CYC_TIGHT_TILES && !keeps && b_step == rows && v_step == vectors * CYC_LANES;

    if (keeps) {
    CYC_UNROLL for (int i = 0; i < rows; i++) {
            CYC_UNROLL for (int j = 0; j < vectors; j++)
                total[i][j] = carry ? CYC_OP(load)(totals + (i * vectors + j) * CYC_LANES) : CYC_OP(zero)();
        }
    }
    CYC_UNROLL for (int i = 0; i < rows; i++) {
        CYC_UNROLL for (int j = 0; j < vectors; j++) sum[i][j] = CYC_OP(zero)();
    }
    const cyc_span *const last = args->spans + args->span_count - 1;
    for (const cyc_span *span = args->spans; span <= last; span++) {
        CYC_FORGET(span); /* GCC would make two loops, of the last span and of all others */
        /* a loop for each kind, as looking for edges costs the small tiles of Winograd up to 5% */
        if (args->edges) {
            const cyc_edge *edges = args->edges;
            for (const cyc_tap *tap = taps + span->begin; tap < taps + span->end; tap++) {
                const int rows_first = edges[tap->edge].first, rows_last = edges[tap->edge].last;
                CYC_TILE_LOADS(broadcast + tap->broadcast, vector + tap->vector)
                CYC_UNROLL for (int i = 0; i < rows; i++) {
                    if (i < edge_rows && i < rows_first) continue;
                    if (i >= rows - edge_rows && i >= rows - rows_last) continue;
                    CYC_TILE_ROW(i)
                }
                CYC_TILE_FETCH
            }
        } else if (CYC_FLOATING && next) {
            const CYC_ELEMENT *b_next = broadcast + span->begin * b_step, *v_next = vector + span->begin * v_step;
            const CYC_ELEMENT *const b_end = broadcast + span->end * b_step, *b_until = b_end;
            ptrdiff_t fetched = next;
            if (last > args->spans) {
                const int terms = span->end - span->begin;
                fetched = CYC_TERMS_AHEAD * v_step;
                if (span == last) b_until -= (terms < CYC_TERMS_AHEAD ? terms : CYC_TERMS_AHEAD) * b_step;
            }
            for (;;) {
                for (; b_next != b_until; b_next += b_step, v_next += v_step) {
                    CYC_UNROLL for (int j = 0; j < vectors; j += CYC_VECTORS_OF_LINE)
                        CYC_PREFETCH(v_next + fetched + j * CYC_LANES);
                    if (!fetches && CYC_VECTORS_OF_LINE == 1) { /* others never come late (_slots) */
                        CYC_PREFETCH_FAR(fetch);
                        fetch += fetch_step;
                    }
                    CYC_TILE_TERM(b_next, v_next)
                }
                if (b_until == b_end) break;
                b_until = b_end;
                fetched = next;
            }
        } else if (taps || !CYC_FLOATING) {
            const cyc_tap *const end = taps + span->end;
            for (const cyc_tap *tap = taps + span->begin; tap < end; tap++)
                CYC_TILE_TERM(broadcast + tap->broadcast, vector + tap->vector)
        } else {
            const CYC_ELEMENT *b_next = broadcast + span->begin * b_step, *v_next = vector + span->begin * v_step;
            ptrdiff_t left = span->end - span->begin;
            if (tight) {
                for (; left >= turn; left -= turn, b_next += turn * rows, v_next += turn * vectors * CYC_LANES) {
                    CYC_UNROLL for (int k = 0; k < turn; k++)
                        CYC_TILE_TERM(b_next + k * rows, v_next + k * vectors * CYC_LANES)
                }
            }
            for (; left > 0; left--, b_next += b_step, v_next += v_step) CYC_TILE_TERM(b_next, v_next)
        }
        if (!span->ends_chunk) continue;
        if (args->ahead) {
            cyc_fetch_rest(args->ahead, fetch);
            fetch = cyc_fetch_start(args->ahead, vector);
            fetch_step = cyc_fetch_step(args->ahead);
        }
        if (!CYC_FLOATING && span < last) continue; /* integers need no chunks */
        if (keeps) {
            CYC_UNROLL for (int i = 0; i < rows; i++) {
                CYC_UNROLL for (int j = 0; j < vectors; j++) {
                    total[i][j] = carry ? CYC_OP(add)(total[i][j], sum[i][j]) : sum[i][j];
                    sum[i][j] = CYC_OP(zero)();
                }
            }
            carry = 1;
            continue;
        }
        if (carry) {
            CYC_UNROLL for (int i = 0; i < rows; i++) {
                CYC_UNROLL for (int j = 0; j < vectors; j++)
                    sum[i][j] = CYC_OP(add)(CYC_OP(load)(totals + (i * vectors + j) * CYC_LANES), sum[i][j]);
            }
        }
        carry = 1;
        if (span < last || !args->out) {
            CYC_UNROLL for (int i = 0; i < rows; i++) {
                CYC_UNROLL for (int j = 0; j < vectors; j++) {
                    CYC_OP(store)(totals + (i * vectors + j) * CYC_LANES, sum[i][j]);
                    sum[i][j] = CYC_OP(zero)();
                }
            }
        }
    }
    if (keeps) {
        CYC_UNROLL for (int i = 0; i < rows; i++) {
            CYC_UNROLL for (int j = 0; j < vectors; j++) {
                sum[i][j] = total[i][j];
                if (!args->out) CYC_OP(store)(totals + (i * vectors + j) * CYC_LANES, total[i][j]);
            }
        }
    }
    if (args->out) {
        CYC_ELEMENT *out = (CYC_ELEMENT *)args->out;
        const CYC_ELEMENT *bias = (const CYC_ELEMENT *)args->bias;
        const CYC_ELEMENT *clamp = (const CYC_ELEMENT *)args->clamp;
        const cyc_piece *piece = args->pieces;
        const ptrdiff_t out_pitch = args->out_pitch;
        CYC_UNROLL for (int i = 0; i < rows; i++) {
            const CYC_VECTOR b = CYC_OP(broadcast)(bias + i);
            CYC_UNROLL for (int j = 0; j < vectors; j++) sum[i][j] = CYC_OP(add)(sum[i][j], b);
        }
        if (clamp) { /* comparisons take the place of products: one in thirteen of a first layer's */
            CYC_UNROLL for (int i = 0; i < rows; i++) {
                CYC_UNROLL for (int j = 0; j < vectors; j++) sum[i][j] = CYC_NAME(clamped)(sum[i][j], clamp);
            }
        }
        if (!piece) {
            CYC_UNROLL for (int i = 0; i < rows; i++) {
                CYC_UNROLL for (int j = 0; j < vectors; j++) CYC_OP(store)(out + j * CYC_LANES, sum[i][j]);
                out += out_pitch;
            }
            return;
        }
        CYC_UNROLL for (int j = 0; j < vectors; j++) {
            do {
#ifdef CYC_MASKS
                const cyc_piece copy = *piece; /* the compiler would make the mask again after each store */
                const cyc_piece *const p = &copy;
#else
                const cyc_piece *const p = piece; /* of a copy it would store whole vectors in a branch of their own */
#endif
                CYC_UNROLL for (int i = 0; i < rows; i++)
                    CYC_OP(store_piece)(out + i * out_pitch + p->offset, sum[i][j], p->first, p->count);
            } while (!piece++->last);
        }
    }
}

/* R * V sums, the vectors of a term and a broadcast fit the registers, if there is a number of them. */
#define CYC_TILE_FUNCTION(R, V)                                                                                       \
    _Static_assert(!CYC_REGISTERS || (R) * (V) + CYC_KEPT_COLUMNS(CYC_REGISTERS, R, V) + 1 <= CYC_REGISTERS, "spills"); \
    _Static_assert((R) <= CYC_MAX_TILE_ROWS && (V) <= CYC_MAX_TILE_VECTORS, "beyond the tables of tiles");             \
    static void CYC_NAME(tile_##R##x##V)(const cyc_tile_args *args) { CYC_NAME(tile)(args, R, V); }
CYC_TILE_SHAPES(CYC_TILE_FUNCTION)
#undef CYC_TILE_FUNCTION
#undef CYC_TILE_ROW
#undef CYC_TILE_LOADS
#undef CYC_TILE_TERM
#undef CYC_TILE_FETCH
#undef CYC_TERMS_AHEAD
#undef CYC_VECTORS_OF_LINE
#undef CYC_TILE_KEEP
