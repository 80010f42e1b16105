import { formatReference, parseReference } from '../../messages/words/reference.ts'

/** The name an image has here for what somebody typed. Fails with invalid_argument. */
export const fullName = (reference: string): string => formatReference(parseReference(reference))
