import { fingerprintBlocks } from '../chat/network-state.ts'
import classes from './fingerprint.module.css'

/** A fingerprint in blocks, to be compared by reading it to each other. */
export function Fingerprint({ value }: { readonly value: string }) {
  return (
    <div className={classes['blocks']}>
      {fingerprintBlocks(value).map((block, index) => (
        <code key={`${index}:${block}`}>{block}</code>
      ))}
    </div>
  )
}
