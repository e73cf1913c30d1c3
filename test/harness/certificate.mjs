// A key and a certificate that it signed itself, for servers of the tests: X.509 version 1, RFC 5280 §4.1,
// written by hand since Node makes none.

import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'

const INTEGER = 0x02
const BIT_STRING = 0x03
const OBJECT = 0x06
const UTF8 = 0x0c
const TIME = 0x17
const SEQUENCE = 0x30
const SET = 0x31
/** 1.2.840.10045.4.3.2, ecdsa-with-SHA256. */
const ECDSA_SHA256 = Buffer.from('2a8648ce3d040302', 'hex')
/** 2.5.4.3, common name. */
const COMMON_NAME = Buffer.from('550403', 'hex')

function der(tag, ...parts) {
  const content = Buffer.concat(parts)
  const { length } = content
  const size =
    length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

/** YYMMDDHHMMSSZ. */
const time = (date) =>
  der(TIME, Buffer.from(`${date.toISOString().replace(/[-:T]/g, '').slice(2, 14)}Z`))

/** `{ key, cert }` in PEM, good from yesterday until tomorrow. */
export function selfSigned(name = 'localhost') {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const key = createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }))
  const day = 86_400_000
  const algorithm = der(SEQUENCE, der(OBJECT, ECDSA_SHA256))
  const subject = der(
    SEQUENCE,
    der(SET, der(SEQUENCE, der(OBJECT, COMMON_NAME), der(UTF8, Buffer.from(name)))),
  )
  const validity = der(SEQUENCE, time(new Date(Date.now() - day)), time(new Date(Date.now() + day)))
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' })
  const serial = der(INTEGER, Buffer.from([1]))
  const body = der(SEQUENCE, serial, algorithm, subject, validity, subject, publicKey)
  const signature = der(BIT_STRING, Buffer.from([0]), sign('sha256', body, key))
  const certificate = der(SEQUENCE, body, algorithm, signature).toString('base64')
  return {
    key: key.export({ type: 'pkcs8', format: 'pem' }),
    cert: `-----BEGIN CERTIFICATE-----\n${certificate.replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
  }
}
