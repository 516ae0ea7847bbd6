/** What a server answers, of whatever shape the reader expects. */
export type Json = ReturnType<(typeof JSON)['parse']>
