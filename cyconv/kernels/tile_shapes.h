/* Runs of tile shapes, for the vocabularies' CYC_TILE_SHAPES: X(rows, vectors). */
#ifndef CYC_TILE_SHAPES_H
#define CYC_TILE_SHAPES_H

#define CYC_ROWS_UP_TO_2(X, V) X(1, V) X(2, V)
#define CYC_ROWS_UP_TO_4(X, V) CYC_ROWS_UP_TO_2(X, V) X(3, V) X(4, V)
#define CYC_ROWS_UP_TO_6(X, V) CYC_ROWS_UP_TO_4(X, V) X(5, V) X(6, V)
#define CYC_ROWS_UP_TO_7(X, V) CYC_ROWS_UP_TO_6(X, V) X(7, V)
#define CYC_ROWS_UP_TO_9(X, V) CYC_ROWS_UP_TO_7(X, V) X(8, V) X(9, V)
#define CYC_ROWS_UP_TO_14(X, V) CYC_ROWS_UP_TO_9(X, V) X(10, V) X(11, V) X(12, V) X(13, V) X(14, V)

#endif
